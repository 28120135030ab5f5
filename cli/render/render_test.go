package render_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"

	"github.com/omnirelay/omnirelay/cli/render"
)

func view() render.View[*controlv1.ShardRef] {
	return render.View[*controlv1.ShardRef]{
		Columns: []render.Column[*controlv1.ShardRef]{
			{Name: "NAMESPACE", Value: (*controlv1.ShardRef).GetNamespace},
			{Name: "SHARD", Value: (*controlv1.ShardRef).GetShardId},
			{Name: "BOTH", Wide: true, Value: func(r *controlv1.ShardRef) string { return r.GetNamespace() + r.GetShardId() }},
		},
		Ref: func(r *controlv1.ShardRef) string { return r.GetNamespace() + "/" + r.GetShardId() },
	}
}

func items() []*controlv1.ShardRef {
	return []*controlv1.ShardRef{{Namespace: "demo", ShardId: "1"}, {Namespace: "a-long-namespace", ShardId: "2\x1b[31m\n"}}
}

func TestList(t *testing.T) {
	tests := []struct {
		name   string
		format render.Format
		tty    bool
		items  []*controlv1.ShardRef
		want   string
	}{
		{"piped", render.Table, false, items(), "NAMESPACE         SHARD\ndemo              1\na-long-namespace  2 [31m\n"},
		{"wide", render.Wide, false, items()[:1], "NAMESPACE  SHARD  BOTH\ndemo       1      demo1\n"},
		{"terminal", render.Table, true, items()[:1], "┌───────────┬───────┐\n│ NAMESPACE │ SHARD │\n├───────────┼───────┤\n│ demo      │ 1     │\n└───────────┴───────┘\n"},
		{"empty", render.Table, false, nil, "NAMESPACE  SHARD\n"},
		{"json", render.JSON, true, items()[:1], `{"items":[{"namespace":"demo","shardId":"1"}],"position":9,"nextPageToken":""}` + "\n"},
		{"yaml", render.YAML, false, items()[:1], "items:\n  - namespace: demo\n    shardId: \"1\"\nposition: 9\nnextPageToken: \"\"\n"},
		{"empty yaml", render.YAML, false, nil, "items: []\nposition: 9\nnextPageToken: \"\"\n"},
		{"name", render.Name, false, items()[:1], "demo/1\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var b strings.Builder
			if err := render.List(render.Output{W: &b, Format: test.format, TTY: test.tty}, view(), test.items, 9, ""); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, b.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestRecord(t *testing.T) {
	for format, want := range map[render.Format]string{
		render.Table: "NAMESPACE:  demo\nSHARD:      1\nBOTH:       demo1\n",
		render.JSON:  `{"namespace":"demo","shardId":"1"}` + "\n",
		render.Name:  "demo/1\n",
	} {
		var b strings.Builder
		if err := render.Record(render.Output{W: &b, Format: format}, view(), items()[0]); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", format, diff)
		}
	}
}

func TestParseFormat(t *testing.T) {
	if _, err := render.ParseFormat("xml"); err == nil || err.Error() != `-o: "xml" is unknown (allowed: table, wide, json, yaml, name)` {
		t.Errorf("got %v", err)
	}
}
