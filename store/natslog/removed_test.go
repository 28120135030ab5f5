package natslog

import "testing"

// TestWithout: a directory counts as taken out by what a majority of all servers
// says, and never by silence.
func TestWithout(t *testing.T) {
	with := []string{"s1-a", "s2-b", "s3-old"}
	gone := []string{"s1-a", "s2-b", "s3-new"}
	unnamed := []string{"s1-a", "s2-b", "Server name unknown at this time (peerID: yrzKKRBu)"}
	for _, test := range []struct {
		name    string
		servers int
		said    map[string][]string
		want    bool
	}{
		{"nobody answers", 3, nil, false},
		{"one of three", 3, map[string][]string{"s1": gone}, false},
		{"two of three", 3, map[string][]string{"s1": gone, "s2": gone}, true},
		{"two of three, and its place is free", 3, map[string][]string{"s1": gone[:2], "s2": gone[:2]}, true},
		{"one of two knows of none", 3, map[string][]string{"s1": gone, "s2": nil}, false},
		{"one of two has it", 3, map[string][]string{"s1": gone, "s2": with}, false},
		{"one may be it", 3, map[string][]string{"s1": gone, "s2": unnamed}, false},
		{"all have it", 3, map[string][]string{"s1": with, "s2": with}, false},
		{"two of five", 5, map[string][]string{"s1": gone, "s2": gone}, false},
		{"three of five", 5, map[string][]string{"s1": gone, "s2": gone, "s4": gone}, true},
		{"three of five, and one has it", 5, map[string][]string{"s1": gone, "s2": gone, "s4": gone, "s5": with}, false},
	} {
		if got := without("s3-old", test.servers, test.said); got != test.want {
			t.Errorf("%s: taken out is %t, want %t", test.name, got, test.want)
		}
	}
}
