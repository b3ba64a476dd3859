package harness

// ProcessCPU is for benchmarks: the time per operation that RunParallel shows
// is wall time.
var ProcessCPU = processCPU
