package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/coderscale/scaletest/internal/kubejob"
)

// jobUID stands in paths for the UID of the Job that was waited for.
const jobUID = "{uid}"

// afterJob lets a command begin when a Job of the cluster it runs in is over.
type afterJob struct {
	name    string
	account string
	wait    kubejob.WaitOptions
}

func (a *afterJob) flags(fs *flag.FlagSet) {
	fs.StringVar(&a.name, "after-job", "", "in a pod of Kubernetes, wait until the Job with this `name` is complete, failed or gone, and its pods with it")
	fs.DurationVar(&a.wait.Appear, "job-appears", 0, "with -after-job, `time` in which the Job has to be there (default 5m)")
	fs.DurationVar(&a.wait.Every, "job-poll", 0, "with -after-job, `time` between two looks at it (default 5s)")
	fs.StringVar(&a.account, "service-account", "", "with -after-job, `folder` of the pod's service account (default "+kubejob.ServiceAccount+")")
}

func (a *afterJob) mistakes(fs *flag.FlagSet) error {
	var errs []error
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if a.name != "" && given["run"] {
		errs = append(errs, errors.New("-after-job excludes -run: the run is that of the Job"))
	}
	for _, name := range []string{"job-appears", "job-poll", "service-account"} {
		if given[name] && a.name == "" {
			errs = append(errs, fmt.Errorf("-%s needs -after-job", name))
		}
	}
	if a.wait.Appear < 0 || a.wait.Every < 0 {
		errs = append(errs, errors.New("-job-appears or -job-poll is negative, want more than 0"))
	}
	return errors.Join(errs...)
}

// over returns when the Job is, with its UID, which is what its pods give their run
// as its ID. Without a Job that is at once, and "".
func (a *afterJob) over(ctx context.Context, out io.Writer) (uid string, err error) {
	if a.name == "" {
		return "", nil
	}
	c, err := kubejob.InCluster(os.Getenv, a.account)
	if err != nil {
		return "", err
	}
	defer c.Close()
	a.wait.Say = func(line string) { _, _ = fmt.Fprintln(out, line) } // whoever does not read it is waited for all the same
	job, err := c.Wait(ctx, a.name, a.wait)
	return job.UID, err
}

// ofJob puts the UID of the Job into paths, so that one volume holds the results of
// several. Without a Job it leaves them alone.
func ofJob(uid string, paths ...string) []string {
	made := make([]string, len(paths))
	for i, path := range paths {
		made[i] = path
		if uid != "" {
			made[i] = strings.ReplaceAll(path, jobUID, uid)
		}
	}
	return made
}
