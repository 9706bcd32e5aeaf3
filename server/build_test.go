package server

import "testing"

// Links to source lead to what the program was made of, as far as a code host has it.
func TestSource(t *testing.T) {
	const revision = "85a9bc7f00112233445566778899aabbccddeeff"
	for _, c := range []struct {
		build Build
		want  string
	}{
		{Build{Version: "v1.2.3"}, "v1.2.3"},
		{Build{Version: "v1.2.3-rc.1"}, "v1.2.3-rc.1"},
		{Build{Version: "v0.0.0-20261130160700-85a9bc7f0011"}, "85a9bc7f0011"},
		{Build{Version: "v1.2.4-0.20261130160700-85a9bc7f0011"}, "85a9bc7f0011"},
		{Build{Version: "v1.2.4-rc.1.0.20261130160700-85a9bc7f0011"}, "85a9bc7f0011"},
		{Build{Version: "v0.0.0-20261130160700-85a9bc7f0011+dirty", Revision: revision, Modified: true}, "main"},
		{Build{Version: "(devel)", Revision: revision}, revision},
		{Build{Version: "(devel)", Revision: revision, Modified: true}, "main"},
		{Build{Version: "(devel)"}, "main"},
		{Build{}, "main"},
	} {
		if got, want := c.build.Source(), "https://github.com/godwit-io/godwit/blob/"+c.want+"/"; got != want {
			t.Errorf("%+v: %s, want %s", c.build, got, want)
		}
	}
}
