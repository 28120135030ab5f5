package server

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	controlv1 "github.com/omnirelay/omnirelay/api/v1"
)

// validate refuses a request for its form alone, whatever the state. What
// requests have in common is known by the names of their fields, so that a new
// RPC is checked without a line here. Rules about names and numbers of the mesh
// are the deciders'.
func (s *Server) validate(msg proto.Message) error {
	for _, check := range []func(proto.Message) error{validatePage, validatePositions, validateFilters, validateBatch} {
		if err := check(msg); err != nil {
			return err
		}
	}
	if m, ok := msg.(interface{ GetRead() *controlv1.ReadOptions }); ok {
		if err := validateRead(m.GetRead()); err != nil {
			return err
		}
	}
	if m, ok := msg.(interface{ GetMutation() *controlv1.Mutation }); ok {
		if m.GetMutation().GetIfVersion() != 0 && !versioned(msg) {
			return badField("mutation.ifVersion", "0: this command is about no one record", "is %d", m.GetMutation().GetIfVersion())
		}
		return validateMutation(m.GetMutation())
	}
	return nil
}

// versioned reports whether a command is about one record, whose version can be
// asked for. Where it cannot, asking is refused rather than passed over (A3).
func versioned(msg proto.Message) bool {
	switch msg.(type) {
	case *controlv1.CordonPeerRequest, *controlv1.UncordonPeerRequest, *controlv1.UpdatePeerRequest,
		*controlv1.DrainPeerRequest, *controlv1.CancelDrainPeerRequest, *controlv1.EndMaintenanceRequest, *controlv1.DeleteMaintenanceRequest,
		*controlv1.UpdateNamespaceRequest, *controlv1.DeleteNamespaceRequest,
		*controlv1.DeleteScheduleRequest, *controlv1.PauseScheduleRequest, *controlv1.ResumeScheduleRequest,
		*controlv1.SetQuarantinePolicyRequest:
		return true
	}
	return false
}

func validatePage(msg proto.Message) error {
	if m, ok := msg.(interface{ GetPageSize() int32 }); ok {
		if n := m.GetPageSize(); n < 0 || n > MaxPage {
			return badField("pageSize", fmt.Sprintf("1 to %d, or 0 for %d", MaxPage, DefaultPage), "is %d", n)
		}
	}
	if m, ok := msg.(interface{ GetLimit() int32 }); ok {
		highest := int32(MaxPage)
		if _, diff := msg.(*controlv1.ShardDiffRequest); diff {
			highest = MaxDiff
		}
		if n := m.GetLimit(); n < 0 || n > highest {
			return badField("limit", fmt.Sprintf("1 to %d, or 0 for the usual", highest), "is %d", n)
		}
	}
	return nil
}

// namedPosition is a field that holds a position, 0 meaning none.
type namedPosition struct {
	field string
	value int64
}

func validatePositions(msg proto.Message) error {
	var all []namedPosition
	add := func(field string, value int64) { all = append(all, namedPosition{field, value}) }
	switch m := msg.(type) {
	case *controlv1.ShardWatchRequest:
		add("resumeToken", m.GetResumeToken())
	case *controlv1.WatchPeersRequest:
		add("resumeToken", m.GetResumeToken())
	case *controlv1.LeadershipSubscribeRequest:
		add("resumeToken", m.GetResumeToken())
	case *controlv1.ShardDiffRequest:
		add("fromToken", m.GetFromToken())
		add("toToken", m.GetToToken())
	case *controlv1.BatchGetShardsRequest:
		add("minPosition", m.GetMinPosition())
	case *controlv1.ListEventsRequest:
		add("from", m.GetFrom())
	case *controlv1.ListRefusalsRequest:
		add("from", m.GetFrom())
	case *controlv1.VerifyRequest:
		add("from", m.GetFrom())
	case *controlv1.GetEventRequest:
		add("position", m.GetPosition())
	case *controlv1.TailRequest:
		add("after", m.GetAfter())
	case *controlv1.HeartbeatRequest:
		add("sessionId", m.GetSessionId())
	case *controlv1.LeaveRequest:
		add("sessionId", m.GetSessionId())
	case *controlv1.CampaignRequest:
		add("sessionId", m.GetSessionId())
	case *controlv1.ResignRequest:
		add("sessionId", m.GetSessionId())
		add("term", m.GetTerm())
	}
	for _, p := range all {
		if p.value < 0 {
			return badField(p.field, "a position, 1 or more; 0 means not given", "is %d", p.value)
		}
	}
	return nil
}

func validateRead(o *controlv1.ReadOptions) error {
	const allowed = "a position, 1 or more; 0 means not given"
	switch {
	case o == nil:
		return nil
	case o.AsOfPosition < 0:
		return badField("read.asOfPosition", allowed, "is %d", o.AsOfPosition)
	case o.MinPosition < 0:
		return badField("read.minPosition", allowed, "is %d", o.MinPosition)
	case o.AsOfPosition != 0 && o.AsOfTime != nil:
		return badField("read.asOfTime", "asOfPosition or asOfTime, not both", "is given beside asOfPosition")
	case o.AsOfTime != nil && o.AsOfTime.CheckValid() != nil:
		return badField("read.asOfTime", "a time of the years 1 to 9999", "is no time")
	case controlv1.Consistency_name[int32(o.Consistency)] == "":
		return badField("read.consistency", "unspecified or linearizable", "is %d", o.Consistency)
	}
	return nil
}

// text is a field with words in it.
type text struct {
	field, value string
	most         int
}

func validateTexts(texts []text) error {
	for _, t := range texts {
		switch {
		case len(t.value) > t.most:
			return badField(t.field, fmt.Sprintf("at most %d bytes", t.most), "has %d bytes", len(t.value))
		case !utf8.ValidString(t.value):
			return badField(t.field, "text in UTF-8", "is no UTF-8")
		case strings.ContainsFunc(t.value, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return badField(t.field, "text without control characters", "has a control character")
		}
	}
	return nil
}

func validateMutation(m *controlv1.Mutation) error {
	if m == nil {
		return nil
	}
	err := validateTexts([]text{
		{"mutation.reason", m.Reason, MaxReason},
		{"mutation.changeTicket", m.ChangeTicket, MaxReference},
		{"mutation.correlationId", m.CorrelationId, MaxReference},
		{"mutation.causationId", m.CausationId, MaxReference},
	})
	if err != nil {
		return err
	}
	if m.IfVersion < 0 {
		return badField("mutation.ifVersion", "a version, 1 or more; 0 means any", "is %d", m.IfVersion)
	}
	if m.IdempotencyKey == "" {
		return nil
	}
	id, err := uuid.Parse(m.IdempotencyKey)
	if err != nil || id.Version() != 7 || id.Variant() != uuid.RFC4122 || len(m.IdempotencyKey) != 36 {
		return badField("mutation.idempotencyKey", "a UUID of version 7 (RFC 9562)", "is %.80q", m.IdempotencyKey)
	}
	return nil
}

func validateFilters(msg proto.Message) error {
	var texts []text
	add := func(field, value string) { texts = append(texts, text{field, value, MaxFilter}) }
	if m, ok := msg.(interface{ GetSearch() string }); ok {
		add("search", m.GetSearch())
	}
	if m, ok := msg.(interface{ GetNamespace() string }); ok {
		add("namespace", m.GetNamespace())
	}
	if m, ok := msg.(interface{ GetScope() string }); ok {
		add("scope", m.GetScope())
	}
	if m, ok := msg.(*controlv1.ListPeersRequest); ok {
		for _, label := range m.GetLabels() {
			add("labels", label)
		}
		if n := max(len(m.GetLabels()), len(m.GetStatuses()), len(m.GetLifecycles())); n > MaxFilters {
			return badField("labels", fmt.Sprintf("at most %d values of a filter", MaxFilters), "has %d values", n)
		}
	}
	if m, ok := msg.(*controlv1.ListMaintenanceRequest); ok && len(m.GetStatuses()) > MaxFilters {
		return badField("statuses", fmt.Sprintf("at most %d values", MaxFilters), "has %d values", len(m.GetStatuses()))
	}
	if m, ok := msg.(interface {
		GetStatuses() []controlv1.ShardStatus
	}); ok && len(m.GetStatuses()) > MaxFilters {
		return badField("statuses", fmt.Sprintf("at most %d values", MaxFilters), "has %d values", len(m.GetStatuses()))
	}
	return validateTexts(texts)
}

func validateBatch(msg proto.Message) error {
	n, field := 0, ""
	switch m := msg.(type) {
	case *controlv1.BatchGetShardsRequest:
		n, field = len(m.GetRefs()), "refs"
	case *controlv1.CommandBatch:
		n, field = len(m.GetCommands()), "commands"
	default:
		return nil
	}
	if n > MaxBatch {
		return badField(field, fmt.Sprintf("at most %d", MaxBatch), "has %d entries", n)
	}
	return nil
}
