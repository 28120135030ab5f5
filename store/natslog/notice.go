package natslog

import (
	"encoding/binary"

	"github.com/nats-io/nats.go"

	"github.com/omnirelay/omnirelay/store"
	"github.com/omnirelay/omnirelay/store/natslog/jsfile"
)

// A notice tells the other servers of a frame that is stored: its sequence, 8
// bytes big endian, then its bytes. So a standby has it one message after the ack,
// without a consumer. One that is lost leaves a gap, which the follower sees at
// the next one, or watchEnd when there is none, and reads from the log.

const noticeHead = 8

// notify tells of a frame after its ack. An error is the followers' delay.
func (s *Store) notify(sequence uint64, data []byte) {
	if !s.cfg.clustered() {
		return
	}
	b := make([]byte, 0, noticeHead+len(data))
	b = binary.BigEndian.AppendUint64(b, sequence)
	if err := s.conn.Publish(s.cfg.storedSubject(), append(b, data...)); err != nil {
		s.cfg.logger().Debug("the other servers were not told of a frame", "message", sequence, "error", err)
	}
}

// noticed takes a notice of another server into the tail.
func (s *Store) noticed(m *nats.Msg) {
	if len(m.Data) < noticeHead {
		return
	}
	sequence, data := binary.BigEndian.Uint64(m.Data), m.Data[noticeHead:]
	s.used.Add(jsfile.RecordBytes(s.cfg.logSubject(), headerBytes, len(data)))
	s.tail.add(store.Message{Sequence: sequence, Data: data})
}
