package memlog_test

import (
	"testing"

	"github.com/omnirelay/omnirelay/store/memlog"
	"github.com/omnirelay/omnirelay/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Backend {
		return storetest.Backend{Log: memlog.New(nil), Register: memlog.NewRegister(nil)}
	})
}
