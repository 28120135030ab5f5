package server

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// method is one RPC as its proto describes it.
type method struct {
	// procedure is "/package.Service/Method", name "Service/Method".
	procedure, name string
	desc            protoreflect.MethodDescriptor
	scope           controlv1.Scope
	metrics         methodMetrics
}

// protoPackage holds the services.
const protoPackage = "omnirelay.mesh.control.v1"

// describedMethods returns every RPC of the package by its procedure. One
// without a scope is an error: nobody would be allowed to call it.
func describedMethods() (map[string]*method, error) {
	methods := map[string]*method{}
	var err error
	protoregistry.GlobalFiles.RangeFilesByPackage(protoPackage, func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				m := newMethod(service, service.Methods().Get(j))
				if m.scope == controlv1.Scope_SCOPE_UNSPECIFIED {
					err = fmt.Errorf("server: %s has no scope option; every RPC names one", m.name)
				}
				methods[m.procedure] = m
			}
		}
		return err == nil
	})
	return methods, err
}

func newMethod(service protoreflect.ServiceDescriptor, desc protoreflect.MethodDescriptor) *method {
	m := &method{
		procedure: fmt.Sprintf("/%s/%s", service.FullName(), desc.Name()),
		name:      fmt.Sprintf("%s/%s", service.Name(), desc.Name()),
		desc:      desc,
	}
	if o, ok := desc.Options().(*descriptorpb.MethodOptions); ok {
		if scope, ok := proto.GetExtension(o, controlv1.E_Scope).(controlv1.Scope); ok {
			m.scope = scope
		}
	}
	return m
}

// serviceNames lists the services of some methods, for reflection and health.
func serviceNames(methods map[string]*method) []string {
	seen := map[string]bool{}
	var names []string
	for procedure := range methods {
		name, _, _ := strings.Cut(strings.TrimPrefix(procedure, "/"), "/")
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
