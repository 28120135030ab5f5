package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
	"github.com/omnirelay/omnirelay/api/v1json"
)

// mutationFields are the fields of a Mutation that stand in a body beside the
// fields of the request; the others are headers.
func mutationFields() []string {
	return []string{"reason", "changeTicket", "correlationId", "causationId", "dryRun"}
}

// readBody reads a body that has to be JSON, or may be missing.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxBody && r.Header.Get("Expect") != "" {
		return nil, tooLarge() // before it is sent
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	switch {
	case len(data) > MaxBody:
		drain(w, r)
		return nil, tooLarge()
	case err != nil:
		return nil, reasoned(connect.CodeInvalidArgument, "body_incomplete", "the body ended early: %s", err)
	case len(bytes.TrimSpace(data)) == 0:
		return nil, nil
	}
	if given := r.Header.Get("Content-Type"); given != "" {
		kind, _, err := mime.ParseMediaType(given)
		// A form's type is what curl -d says of anything. From a page of another
		// site it stays refused: a browser sends it there without asking first.
		form := kind == "application/x-www-form-urlencoded" && r.Header.Get("Origin") == ""
		if err != nil || kind != "application/json" && !form {
			f := badField("Content-Type", "application/json", "is %.80q", given)
			f.reason = reasonMediaType
			return nil, f
		}
	}
	return data, nil
}

func tooLarge() error {
	f := badField("body", fmt.Sprintf("at most %d bytes", MaxBody), "is larger")
	f.reason = reasonBodyTooLarge
	return f
}

// drain throws away the rest of a body that is too large, within bounds: most
// clients send all of it before they look at the answer, and would only see
// that the connection broke.
func drain(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(maxDrainTime)); err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, r.Body, maxDrain); !errors.Is(err, io.EOF) {
		w.Header().Set("Connection", "close") // there is more, or it did not come in time
		return
	}
	_ = control.SetReadDeadline(time.Time{}) // the next request has all its time
}

// maxDrain and maxDrainTime bound what is read of a body that is refused.
const (
	maxDrain     = 256 << 20
	maxDrainTime = 10 * time.Second
)

// bodyError is an error of JSON as one of ours.
func bodyError(err error) error {
	var bad *v1json.Error
	if !errors.As(err, &bad) {
		return err
	}
	field, allowed := bad.Field, bad.Allowed
	if field == "" {
		field = "body"
	}
	if allowed == "" {
		allowed = "one JSON object"
	}
	return badField(field, allowed, "%s", bad.Reason)
}

// readMessage reads a body as a message, all of whose fields it may have.
func readMessage(w http.ResponseWriter, r *http.Request, into proto.Message) error {
	data, err := readBody(w, r)
	if err != nil || data == nil {
		return err
	}
	if err := v1json.Unmarshal(data, into); err != nil {
		return bodyError(err)
	}
	return nil
}

// readMutation reads a body whose fields are those of a request, without the
// ones that the path has, and those of its Mutation.
func readMutation(w http.ResponseWriter, r *http.Request, into proto.Message, inPath ...string) (*controlv1.Mutation, error) {
	m := &controlv1.Mutation{IdempotencyKey: r.Header.Get(headerKey)}
	data, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	if data != nil {
		request, mutation, err := splitBody(data, requestFields(into, inPath))
		if err != nil {
			return nil, err
		}
		if err := v1json.Unmarshal(request, into); err != nil {
			return nil, bodyError(err)
		}
		key := m.IdempotencyKey
		if err := v1json.Unmarshal(mutation, m); err != nil {
			return nil, bodyError(err)
		}
		m.IdempotencyKey = key
	}
	m.IfVersion, err = parseIfMatch(r.Header.Get("If-Match"))
	return m, err
}

// requestFields are the fields of a request that its body may have.
func requestFields(into proto.Message, inPath []string) []string {
	return slices.DeleteFunc(v1json.FieldNames(into.ProtoReflect().Descriptor()), func(name string) bool {
		return name == "mutation" || slices.Contains(inPath, name)
	})
}

// splitBody parts the members of one JSON object into those of the request and
// those of its Mutation. Values are looked into later, by who knows their types.
func splitBody(data []byte, fields []string) (request, mutation []byte, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil {
		return nil, nil, syntax(dec)
	} else if t != json.Delim('{') {
		return nil, nil, badField("body", "one JSON object", "is %s", jsonKind(t))
	}
	request, mutation = []byte{'{'}, []byte{'{'}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, nil, syntax(dec)
		}
		name, _ := t.(string) // a key is always a string
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, nil, syntax(dec)
		}
		switch {
		case slices.Contains(mutationFields(), name):
			mutation = appendRaw(mutation, name, value)
		case slices.Contains(fields, name):
			request = appendRaw(request, name, value)
		default:
			return nil, nil, unknownField(name, append(slices.Clone(fields), mutationFields()...))
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, nil, syntax(dec)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, badField("body", "one JSON object", "goes on after the object, at byte %d", dec.InputOffset())
	}
	return append(request, '}'), append(mutation, '}'), nil
}

// jsonKind names what a JSON value is whose first token is given.
func jsonKind(t json.Token) string {
	switch t.(type) {
	case nil:
		return "null"
	case json.Delim:
		return "an array"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}

func syntax(dec *json.Decoder) error {
	return badField("body", "one JSON object", "is not valid JSON at byte %d", dec.InputOffset())
}

func unknownField(name string, allowed []string) error {
	reason := "is an unknown field"
	if near := v1json.Nearest(name, allowed); near != "" {
		reason += ", did you mean " + near + "?"
	}
	return badField(name, strings.Join(allowed, ", "), "%s", reason)
}

func appendRaw(dst []byte, name string, value json.RawMessage) []byte {
	if len(dst) > 1 {
		dst = append(dst, ',')
	}
	return append(fmt.Appendf(dst, "%q:", name), value...)
}
