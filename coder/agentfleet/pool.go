package agentfleet

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
)

// Pool is workspaces without machines, for agents that are played. It is made
// once and used again: a workspace takes a second of a provisioner's time, and its
// token is valid as long as nobody builds it again.
type Pool struct {
	// Client acts: it must be allowed to make templates, and workspaces for the
	// owner.
	Client *coder.Client

	// Count is how many workspaces there are to be.
	Count int

	// Prefix begins their names, which go on with a number: <prefix>-<n>. "" means
	// "scaletest-sim". What begins with "scaletest-" is deleted by `scaletest
	// cleanup -all` too.
	Prefix string

	// Owner is the name of the user who owns them. "" means the client's own.
	Owner string

	// Organization is an ID, a name, or "", which means "default".
	Organization string

	// Template is the template's name. "" means "scaletest-simulated".
	Template string

	// AtATime is how many workspaces are built or deleted together. 0 means 16.
	// More than the deployment has provisioner daemons only wait there.
	AtATime int

	// Progress is told what happens, a line at a time, from many goroutines. Nil
	// means nobody is.
	Progress func(line string)
}

const (
	defaultPrefix   = "scaletest-sim"
	defaultTemplate = "scaletest-simulated"
	defaultAtATime  = 16
	maxName         = 32
	// hopeless is after how many failures without a success the rest is not tried.
	hopeless = 10
)

var nameRule = regexp.MustCompile(`^[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*$`)

func (p Pool) withDefaults() Pool {
	for field, value := range map[*string]string{
		&p.Prefix: defaultPrefix, &p.Owner: coder.Me, &p.Organization: "default", &p.Template: defaultTemplate,
	} {
		if *field == "" {
			*field = value
		}
	}
	if p.AtATime == 0 {
		p.AtATime = defaultAtATime
	}
	return p
}

// Validate reports everything that is wrong.
func (p Pool) Validate() error {
	p = p.withDefaults()
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if p.Client == nil {
		add("Client is nil, want a client of the deployment")
	}
	if p.Count < 0 {
		add("Count is %d, want 0 or more", p.Count)
	}
	if last := p.name(max(p.Count, 1) - 1); !nameRule.MatchString(p.Prefix) || len(last) > maxName {
		add("Prefix is %q, want letters, digits and single hyphens, so that %q is a name of at most %d characters", p.Prefix, last, maxName)
	}
	if !nameRule.MatchString(p.Template) || len(p.Template) > maxName {
		add("Template is %q, want letters, digits and single hyphens, at most %d", p.Template, maxName)
	}
	if p.AtATime < 0 {
		add("AtATime is %d, want 0 (%d) or more", p.AtATime, defaultAtATime)
	}
	return errors.Join(errs...)
}

func (p Pool) name(n int) string { return p.Prefix + "-" + strconv.Itoa(n) }

func (p Pool) say(format string, args ...any) {
	if p.Progress != nil {
		p.Progress(fmt.Sprintf(format, args...))
	}
}

// Ensure makes the template and the workspaces that are missing, starts those that
// are stopped, builds those anew that are of an older version or failed, and
// returns the agents of all, in order of their numbers. It goes on after failures:
// what it returns with an error are the agents that there are. Repeat it to go on
// where it stopped.
func (p Pool) Ensure(ctx context.Context) ([]Agent, error) {
	p = p.withDefaults()
	tpl, err := p.Push(ctx)
	if err != nil {
		return nil, err
	}
	there, err := p.workspaces(ctx)
	if err != nil {
		return nil, err
	}
	var done, failed atomic.Int64
	var once sync.Once
	var first error
	all, stop := context.WithCancel(ctx)
	defer stop()
	forEach(all, p.AtATime, p.Count, func(i int) {
		err := p.ensure(all, tpl, p.name(i), there[i])
		if err == nil {
			if n := done.Add(1); n%100 == 0 || n == int64(p.Count) {
				p.say("%d of %d workspaces run", n, p.Count)
			}
			return
		}
		once.Do(func() { first = fmt.Errorf("workspace %s: %w", p.name(i), err) })
		if failed.Add(1) >= hopeless && done.Load() == 0 {
			stop()
		}
	})
	if ctx.Err() != nil {
		return nil, fmt.Errorf("make a pool of %d workspaces: %d run: %w", p.Count, done.Load(), context.Cause(ctx))
	}
	agents, err := p.Agents(ctx)
	if n := int64(p.Count) - done.Load(); n > 0 {
		return agents, fmt.Errorf("%d of %d workspaces don't run, for example %w", n, p.Count, first)
	}
	return agents, err
}

// forEach calls do for each number below n, some at a time, until the context
// ends.
func forEach(ctx context.Context, atATime, n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(atATime, n) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i)
			}
		})
	}
	wg.Wait()
}

// workspaces are those of the pool that exist, by number.
func (p Pool) workspaces(ctx context.Context) (map[int]coder.Workspace, error) {
	list, err := p.Client.AllWorkspaces(ctx, coder.WorkspacesQuery{Owner: p.Owner, Template: p.Template, Name: p.Prefix})
	if err != nil {
		return nil, err
	}
	there := map[int]coder.Workspace{}
	for _, w := range list {
		rest, ok := strings.CutPrefix(w.Name, p.Prefix+"-")
		n, err := strconv.Atoi(rest)
		if ok && err == nil && n >= 0 && strconv.Itoa(n) == rest {
			there[n] = w
		}
	}
	return there, nil
}

// Agents returns the agents of the first Count workspaces of the pool that exist
// and run, in order of their numbers, without changing anything.
func (p Pool) Agents(ctx context.Context) ([]Agent, error) {
	p = p.withDefaults()
	if err := p.Validate(); err != nil {
		return nil, err
	}
	there, err := p.workspaces(ctx)
	if err != nil {
		return nil, err
	}
	var run []coder.Workspace
	for i := range p.Count {
		if w, ok := there[i]; ok && w.LatestBuild.Status == coder.StatusRunning {
			run = append(run, w)
		}
	}
	return FindAgents(ctx, p.Client, run)
}

// ensure makes one workspace run.
func (p Pool) ensure(ctx context.Context, tpl coder.Template, name string, w coder.Workspace) error {
	var err error
	left := 2 // builds: the one that is needed, and one after a failure
	if w.ID == uuid.Nil {
		left = 1
		if w, err = p.create(ctx, tpl, name); err != nil {
			return err
		}
	}
	b := w.LatestBuild
	for ; ; left-- {
		if !b.Done() {
			if b, err = p.Client.WaitBuild(ctx, b.ID); ctx.Err() != nil {
				return err
			}
			if _, failed := errors.AsType[*coder.JobError](err); err != nil && !failed {
				return err
			}
		}
		if b.Transition == coder.TransitionStart && b.Job.Status == coder.JobSucceeded && b.TemplateVersionID == tpl.ActiveVersionID {
			return nil
		}
		if left == 0 {
			if err == nil {
				err = fmt.Errorf("it is %s, after all", b.Status)
			}
			return err
		}
		again, e := p.Client.CreateBuild(ctx, w.ID, coder.CreateBuildRequest{Transition: coder.TransitionStart, TemplateVersionID: tpl.ActiveVersionID})
		if e != nil {
			return errors.Join(err, e)
		}
		b, err = again, nil
	}
}

// create makes a workspace, or finds the one that was made by a call whose answer
// got lost.
func (p Pool) create(ctx context.Context, tpl coder.Template, name string) (coder.Workspace, error) {
	w, err := p.Client.CreateWorkspace(ctx, p.Owner, coder.CreateWorkspaceRequest{Name: name, TemplateID: tpl.ID})
	if err == nil {
		return w, nil
	}
	_, lost := errors.AsType[*coder.TransportError](err)
	if !lost && !coder.IsConflict(err) || ctx.Err() != nil {
		return w, err
	}
	w, look := p.Client.WorkspaceByOwnerAndName(ctx, p.Owner, name)
	switch {
	case look != nil:
		return w, errors.Join(err, look)
	case w.TemplateID != tpl.ID:
		return w, fmt.Errorf("there is one of template %s already: rename it, or use another prefix: %w", w.TemplateName, err)
	}
	return w, nil
}
