package client

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Every request with a Mutation is known to mutationOf, and every command to
// commandMutation: one that is not would be sent without a key.
func TestEveryMutationIsKnown(t *testing.T) {
	files := []protoreflect.FileDescriptor{
		controlv1.File_api_v1_peer_proto, controlv1.File_api_v1_shard_proto, controlv1.File_api_v1_namespace_proto,
		controlv1.File_api_v1_leadership_proto, controlv1.File_api_v1_session_proto, controlv1.File_api_v1_schedule_proto,
	}
	for _, file := range files {
		for i := range file.Messages().Len() {
			md := file.Messages().Get(i)
			if md.Fields().ByName("mutation") == nil {
				continue
			}
			req := messageOf(t, md)
			slot := mutationOf(req)
			if slot == nil {
				t.Errorf("mutationOf does not know %s", md.Name())
				continue
			}
			*slot = &controlv1.Mutation{Reason: "x"}
			if !req.ProtoReflect().Has(md.Fields().ByName("mutation")) {
				t.Errorf("mutationOf(%s) points elsewhere", md.Name())
			}
		}
	}
	oneof := (&controlv1.Command{}).ProtoReflect().Descriptor().Oneofs().ByName("command")
	for i := range oneof.Fields().Len() {
		fd := oneof.Fields().Get(i)
		c := &controlv1.Command{}
		c.ProtoReflect().Mutable(fd)
		if commandMutation(c) == nil {
			t.Errorf("commandMutation does not know %s", fd.Name())
		}
	}
	if commandMutation(&controlv1.Command{}) != nil {
		t.Error("an empty command has a mutation")
	}
}

func messageOf(t *testing.T, md protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	for _, req := range []proto.Message{
		&controlv1.CordonPeerRequest{}, &controlv1.UncordonPeerRequest{}, &controlv1.UpdatePeerRequest{},
		&controlv1.DrainPeerRequest{}, &controlv1.CancelDrainPeerRequest{},
		&controlv1.CreateNamespaceRequest{}, &controlv1.UpdateNamespaceRequest{}, &controlv1.DeleteNamespaceRequest{},
		&controlv1.MoveShardsRequest{}, &controlv1.CancelShardMovesRequest{}, &controlv1.PauseShardsRequest{}, &controlv1.ResumeShardsRequest{},
		&controlv1.UnquarantineShardsRequest{}, &controlv1.SetQuarantinePolicyRequest{},
		&controlv1.CreateScheduleRequest{}, &controlv1.DeleteScheduleRequest{}, &controlv1.PauseScheduleRequest{}, &controlv1.ResumeScheduleRequest{},
		&controlv1.CampaignRequest{}, &controlv1.ResignRequest{}, &controlv1.OpenSessionRequest{}, &controlv1.LeaveRequest{},
	} {
		if req.ProtoReflect().Descriptor().FullName() == md.FullName() {
			return req
		}
	}
	t.Fatalf("%s is new: add it to mutationOf, and here", md.Name())
	return nil
}
