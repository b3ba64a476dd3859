package codertest

import "net/http"

type terminals struct{}

func (*terminals) end()               {}
func (*terminals) kill()              {}
func (s *Server) stopTerminals()      {}
func (s *Server) buildRoutes()        {}
func openTerminal(c *call) (int, any) { return http.StatusNotFound, notFound }
func (st *state) startLogs(b *build)  {}
func (st *state) endLogs(b *build)    {}
