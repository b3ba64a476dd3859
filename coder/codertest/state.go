package codertest

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// state is everything that the deployment remembers. One lock guards it all:
// requests hold it for microseconds, and terminals not at all.
type state struct {
	mu  sync.RWMutex
	rng *rand.Rand

	organization organization
	users        map[uuid.UUID]*user
	usersByName  map[string]*user
	userList     []*user // by name
	keys         map[string]*apiKey

	templates     map[uuid.UUID]*template
	versions      map[uuid.UUID]*version
	workspaces    map[uuid.UUID]*workspace
	workspaceList []*workspace // by owner and name
	byFullName    map[string]*workspace
	builds        map[uuid.UUID]*build
	files         map[uuid.UUID]*file
	agents        map[uuid.UUID]*agent
	agentsByToken map[uuid.UUID]*agent
	dryRuns       map[uuid.UUID]*dryRun

	parameters []parameterJSON // of imported versions
	apps       []App           // of every template
	logID      int64
	oldLogs    bool // stages have the names of older versions

	externalAgents bool // no agent is played here
}

type organization struct {
	id      uuid.UUID
	created time.Time
}

type user struct {
	id                         uuid.UUID
	username, name, email      string
	password                   string
	created, updated, lastSeen time.Time
	status, loginType          string
	roles                      []string
	inbox                      *inbox
	deleted                    bool
	outside                    bool // of the organization
}

type apiKey struct {
	id, secret                          string
	user                                *user
	name, loginType, scope              string
	scopes                              []string
	lifetime                            time.Duration
	created, updated, expires, lastUsed time.Time
}

func (k *apiKey) token() string { return k.id + "-" + k.secret }

func newState(seed uint64) *state {
	st := &state{
		rng:         rand.New(rand.NewPCG(seed, 0x636f6465)),
		users:       map[uuid.UUID]*user{},
		usersByName: map[string]*user{},
		keys:        map[string]*apiKey{},
		templates:   map[uuid.UUID]*template{},
		versions:    map[uuid.UUID]*version{},
		workspaces:  map[uuid.UUID]*workspace{},
		byFullName:  map[string]*workspace{},
		builds:      map[uuid.UUID]*build{},
		files:       map[uuid.UUID]*file{},
		agents:      map[uuid.UUID]*agent{},

		agentsByToken: map[uuid.UUID]*agent{},
		dryRuns:       map[uuid.UUID]*dryRun{},
	}
	st.organization = organization{id: st.newID(), created: now()}
	return st
}

// now is the time to the microsecond, which is what a database keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// newID is a version 4 UUID of the seeded generator.
func (st *state) newID() (id uuid.UUID) {
	hi, lo := st.rng.Uint64(), st.rng.Uint64()
	for i := range 8 {
		id[i], id[8+i] = byte(hi>>(8*i)), byte(lo>>(8*i))
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func (st *state) letters(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[st.rng.IntN(len(letters))]
	}
	return string(b)
}

// addUser adds a member, or the owner of an empty deployment.
func (st *state) addUser(u user) *user {
	u.id, u.created, u.inbox = st.newID(), now(), &inbox{}
	u.updated = u.created
	if u.loginType == "" {
		u.loginType = "password"
	}
	if u.status == "" {
		u.status = "dormant"
	}
	if len(st.users) == 0 {
		u.roles, u.status = []string{"owner"}, "active"
	}
	p := &u
	st.users[u.id] = p
	st.usersByName[strings.ToLower(u.username)] = p
	i, _ := slices.BinarySearchFunc(st.userList, strings.ToLower(u.username), func(o *user, name string) int {
		return strings.Compare(strings.ToLower(o.username), name)
	})
	st.userList = slices.Insert(st.userList, i, p)
	return p
}

// prebuildsID is the ID of the user prebuilds in every deployment.
var prebuildsID = uuid.MustParse("c42fdf75-3097-471c-8c33-fb52454d81c0")

// systemUser is who owns prebuilt workspaces. Lists don't have it.
func (st *state) systemUser() *user {
	u := &user{id: prebuildsID, username: "prebuilds", name: "Prebuilds Owner", email: "prebuilds@system", created: now(),
		status: "active", loginType: "none"}
	u.updated, u.inbox = u.created, &inbox{}
	st.users[u.id], st.usersByName[u.username] = u, u
	return u
}

// newestBuilds are those that were asked for last, the newest first.
func (st *state) newestBuilds(n int) []*build {
	all := slices.SortedFunc(maps.Values(st.builds), func(a, b *build) int {
		return cmp.Or(b.created.Compare(a.created), slices.Compare(a.id[:], b.id[:]))
	})
	return all[:min(n, len(all))]
}

func (st *state) removeUser(u *user) {
	u.deleted = true
	delete(st.users, u.id)
	delete(st.usersByName, strings.ToLower(u.username))
	st.userList = slices.DeleteFunc(st.userList, func(o *user) bool { return o == u })
	for id, k := range st.keys {
		if k.user == u {
			delete(st.keys, id)
		}
	}
}

// findUser resolves an ID or a name.
func (st *state) findUser(s string) *user {
	if id, err := uuid.Parse(s); err == nil {
		return st.users[id]
	}
	return st.usersByName[strings.ToLower(s)]
}

func (st *state) addKey(k apiKey) *apiKey {
	k.id, k.secret, k.created = st.letters(10), st.letters(22), now()
	k.updated, k.lastUsed = k.created, time.Unix(0, 0).UTC()
	k.expires = k.created.Add(k.lifetime)
	if k.scope == "" {
		k.scope = "all"
	}
	if k.scopes == nil {
		k.scopes = []string{"coder:all"}
	}
	p := &k
	st.keys[k.id] = p
	return p
}

// addWorkspace puts a workspace where lists expect it.
func (st *state) addWorkspace(w *workspace) {
	st.workspaces[w.id] = w
	st.byFullName[w.fullName()] = w
	i, _ := slices.BinarySearchFunc(st.workspaceList, w, compareWorkspaces)
	st.workspaceList = slices.Insert(st.workspaceList, i, w)
}

// removeWorkspace takes it from lists. Its history can still be asked for.
func (st *state) removeWorkspace(w *workspace) {
	w.deleted = true
	delete(st.byFullName, w.fullName())
	if i, found := slices.BinarySearchFunc(st.workspaceList, w, compareWorkspaces); found {
		st.workspaceList = slices.Delete(st.workspaceList, i, i+1)
	}
}

func compareWorkspaces(a, b *workspace) int {
	return cmp.Or(strings.Compare(a.sortKey, b.sortKey), slices.Compare(a.id[:], b.id[:]))
}

func fullName(owner, name string) string {
	return strings.ToLower(owner) + "/" + strings.ToLower(name)
}

// populate fills the deployment as the configuration says.
func (st *state) populate(cfg Config) *apiKey {
	admin := st.addUser(user{username: "admin", name: "Admin User", email: "admin@example.com", password: "Passw0rd!Scale"})
	key := st.addKey(apiKey{user: admin, name: "codertest", loginType: "token", lifetime: 7 * 24 * time.Hour})
	st.parameters, st.apps, st.externalAgents = cfg.parameters(), cfg.apps(), cfg.ExternalAgents
	tpl := st.addTemplate(admin, "scaletest", st.parameters)
	values := tpl.active.defaults()
	owners := []*user{admin}
	// What is there from the beginning was created in the order of its numbers,
	// each a microsecond after the one before, whatever this machine's clock says.
	at := now().Add(-time.Duration(cfg.Users+cfg.Workspaces+cfg.Prebuilds) * time.Microsecond)
	tick := func() time.Time {
		at = at.Add(time.Microsecond)
		return at
	}
	for i := range cfg.Users {
		name := fmt.Sprintf("scaletest-user-%d", i)
		u := st.addUser(user{username: name, email: name + "@example.com", password: "Passw0rd!" + name, status: "active"})
		u.created = tick()
		u.updated = u.created
		if i == 0 {
			owners = owners[:0]
		}
		owners = append(owners, u)
	}
	st.workspaceList = make([]*workspace, 0, cfg.Workspaces)
	add := func(owner, by *user, name string) {
		w := st.newWorkspace(owner, tpl, name)
		w.created = tick()
		b := st.newBuild(w, by, "start", "initiator")
		started := b.created
		b.started, b.completed, b.status = &started, &started, "succeeded"
		b.worker, b.parameters = st.newID(), values
		st.attachAgent(b)
		b.agent.connect(started)
		st.workspaces[w.id] = w
		st.byFullName[w.fullName()] = w
		st.workspaceList = append(st.workspaceList, w)
	}
	for i := range cfg.Workspaces {
		add(owners[i%len(owners)], admin, fmt.Sprintf("scaletest-%d", i))
	}
	if cfg.Prebuilds > 0 {
		system := st.systemUser()
		for range cfg.Prebuilds {
			add(system, system, "prebuild-"+strings.ToLower(st.letters(8)))
		}
	}
	slices.SortFunc(st.workspaceList, compareWorkspaces)
	return key
}
