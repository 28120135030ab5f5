// Package controlv1 is the wire of the API, protobuf package
// omnirelay.mesh.control.v1: the messages and Connect services, generated from
// the .proto files beside it.
//
// It promises that clients in the field go on working: fields, RPCs and enum
// values are appended, never changed or reused. It holds no rules; api/server
// implements the services, api/client calls them.
package controlv1
