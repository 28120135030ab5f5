package client

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// Commands is CommandService: many commands in one call. For commands of many
// goroutines see [Commander].
type Commands struct {
	c   *Client
	rpc controlv1.CommandServiceClient
}

// SubmitBatch submits up to 1,000 commands and returns their acks in the order
// of the commands; each may have failed by itself, see [AckError]. Ids are set
// here. An attempt that ends unknown is made again as a whole, with the same
// keys. A caller that wants to repeat the call itself, after an unknown
// outcome, sets keys of its own in the commands.
func (s *Commands) SubmitBatch(ctx context.Context, commands []*controlv1.Command) ([]*controlv1.Ack, error) {
	batch := &controlv1.CommandBatch{Commands: make([]*controlv1.Command, len(commands))}
	for i, command := range commands {
		own := proto.CloneOf(command)
		own.Id = uint64(i)
		slot := commandMutation(own)
		if slot == nil {
			return nil, emptyCommand(i)
		}
		newKeyIn(slot)
		batch.Commands[i] = own
	}
	res, err := call(ctx, s.c, s.rpc.SubmitBatch, batch, &key{mutation: &controlv1.Mutation{}})
	if err != nil {
		return nil, err
	}
	acks := make([]*controlv1.Ack, len(commands))
	for _, ack := range res.GetAcks() {
		if ack.GetId() < uint64(len(acks)) {
			acks[ack.GetId()] = ack
		}
	}
	for i, ack := range acks {
		if ack == nil {
			acks[i] = &controlv1.Ack{Id: uint64(i), Code: uint32(connect.CodeInternal), Message: "the server left this command without an answer"}
		}
	}
	return acks, nil
}

func emptyCommand(at int) *Error {
	return &Error{
		Code: connect.CodeInvalidArgument, Message: "a command is empty",
		Fields: []FieldError{{Field: fmt.Sprintf("commands[%d].command", at), Reason: "not given", Allowed: "one of the commands of CommandService"}},
	}
}

// AckError returns what an ack says as an error; nil when the command was
// done.
func AckError(ack *controlv1.Ack) error {
	if e := ackError(ack); e != nil {
		return e
	}
	return nil
}

func ackError(ack *controlv1.Ack) *Error {
	if ack.GetCode() == 0 {
		return nil
	}
	e := &Error{Code: connect.Code(ack.GetCode()), Message: ack.GetMessage()}
	if ack.GetDetail() != nil {
		e.setDetail(ack.GetDetail())
	}
	if e.Reason == "" {
		e.Reason = ack.GetReason()
	}
	return e
}
