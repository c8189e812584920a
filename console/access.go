package console

import (
	"fmt"
	"slices"
)

// Role is what a person is here for.
type Role string

// The roles. Admin may do everything; the others only what the table of routes
// gives them.
const (
	Viewer   Role = "viewer"   // looks at findings and evidence, changes nothing, takes nothing away
	Analyst  Role = "analyst"  // decides on findings, runs watches, collects cases
	Legal    Role = "legal"    // holds and releases evidence, takes it out, and decides
	Operator Role = "operator" // sees what runs, pauses lanes and watches; sees no evidence
	Admin    Role = "admin"
)

// Roles lists them, the least first.
func Roles() []Role { return []Role{Viewer, Analyst, Legal, Operator, Admin} }

// ParseRole accepts exactly the roles.
func ParseRole(s string) (Role, error) {
	if r := Role(s); slices.Contains(Roles(), r) {
		return r, nil
	}
	return "", fmt.Errorf("%q is not a role: want viewer, analyst, legal, operator or admin", s)
}

// Person is somebody who is signed in.
type Person struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
}

// Actor is how custody events name the person.
func (p Person) Actor() string { return "person:" + p.Name }

// allowed is the roles that may use a route. Empty: nobody needs to sign in.
type allowed []Role

// The sets of roles that the table of routes uses.
var (
	public    = allowed{}
	everybody = allowed{Viewer, Analyst, Legal, Operator, Admin}
	readers   = allowed{Viewer, Analyst, Legal, Admin}
	deciders  = allowed{Analyst, Legal, Admin}
	holders   = allowed{Legal, Admin}
	runners   = allowed{Analyst, Operator, Admin}
	watchers  = allowed{Analyst, Admin}
	operators = allowed{Operator, Admin}
)

func (a allowed) has(r Role) bool { return slices.Contains(a, r) }
