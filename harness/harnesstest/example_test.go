package harnesstest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/harnesstest"
)

var order = harness.NewAction("order")

// customer orders something and takes it back at the end.
type customer struct {
	client *http.Client
	shop   string
	orders []string
	hasty  bool // notes an order when it is confirmed, and not before it goes out
}

func (c *customer) Run(ctx context.Context, rec *harness.Recorder) error {
	name := fmt.Sprintf("%s-%d-%d", rec.RunID(), rec.User(), rec.Iteration())
	if !c.hasty {
		c.orders = append(c.orders, name)
	}
	err := rec.Do(ctx, order, func(ctx context.Context) error { return c.ask(ctx, http.MethodPut, name) })
	if c.hasty && err == nil {
		c.orders = append(c.orders, name)
	}
	return err
}

func (c *customer) Cleanup(ctx context.Context) error {
	var errs []error
	for _, name := range c.orders {
		errs = append(errs, c.ask(ctx, http.MethodDelete, name))
	}
	return errors.Join(errs...)
}

func (c *customer) ask(ctx context.Context, method, name string) error {
	req, err := http.NewRequestWithContext(ctx, method, c.shop+"/"+name, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: the shop answered %s", method, name, resp.Status)
	}
	return nil
}

// shop is what customers go to.
type shop struct {
	*httptest.Server
	orders sync.Map
}

func openShop() *shop {
	s := &shop{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			s.orders.Store(r.URL.Path, true)
		} else {
			s.orders.Delete(r.URL.Path)
		}
	}))
	return s
}

// open says that orders of a run are open.
func (s *shop) open(run string) (err error) {
	s.orders.Range(func(path, _ any) bool {
		if strings.Contains(path.(string), run) {
			err = errors.Join(err, fmt.Errorf("order %s", path))
		}
		return true
	})
	return err
}

// customers are the subject of the tests: customers of a shop.
func customers(s *shop, hasty bool) harnesstest.Subject {
	return harnesstest.Subject{
		New: func(env *harnesstest.Env) (func(user int) (harness.Runner, error), error) {
			client := env.HTTPClient() // what goes by it can be made to fail
			env.Left(func(context.Context) error { return s.open(env.RunID()) })
			return func(int) (harness.Runner, error) {
				return &customer{client: client, shop: s.URL, hasty: hasty}, nil
			}, nil
		},
		Actions: []harness.Action{order},
	}
}

// A test of a runner of one's own is one call.
func TestCustomersKeepTheHarnessContract(t *testing.T) {
	s := openShop()
	defer s.Close()
	harnesstest.TestRunner(t, customers(s, false))
}

// Find is for what is no test. This customer forgets an order of which the
// confirmation is lost, and leaves it behind.
func ExampleFind() {
	s := openShop()
	defer s.Close()
	err := harnesstest.Find(context.Background(), customers(s, true))
	if f, ok := errors.AsType[*harnesstest.Finding](err); ok {
		fmt.Println(f.Check) // f.Error() says where, what happened, and what is wanted
	}
	// Output: cleans up
}
