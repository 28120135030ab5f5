package arch_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// rpcs are all methods of our services.
func rpcs(t *testing.T) []protoreflect.MethodDescriptor {
	t.Helper()
	var all []protoreflect.MethodDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(file.Path(), "api/v1/") {
			return true
		}
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				all = append(all, methods.Get(j))
			}
		}
		return true
	})
	if len(all) == 0 {
		t.Fatal("api/v1 has no RPC, so the walk is broken")
	}
	return all
}

// scopeOf is the scope option of an RPC; unspecified when it has none.
func scopeOf(m protoreflect.MethodDescriptor) controlv1.Scope {
	scope, _ := proto.GetExtension(m.Options(), controlv1.E_Scope).(controlv1.Scope)
	return scope
}

// TestEveryRPCHasScope: what a caller must hold is part of the definition, so
// that no handler can forget to ask.
func TestEveryRPCHasScope(t *testing.T) {
	for _, m := range rpcs(t) {
		scope := scopeOf(m)
		if known := scope.Descriptor().Values().ByNumber(scope.Number()) != nil; scope == controlv1.Scope_SCOPE_UNSPECIFIED || !known {
			t.Errorf("%s has scope %s; write option (scope) = … in its proto", m.FullName(), scope)
		}
	}
}
