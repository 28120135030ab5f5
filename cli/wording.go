package cli

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/omnirelay/omnirelay/api/client"
)

// worded is the text of an error for who sits at the command line: a field of
// the request at its beginning is named as the flag that filled it.
func worded(err error) string {
	text := err.Error()
	var e *client.Error
	if !errors.As(err, &e) {
		return text
	}
	for _, f := range e.Fields {
		flag := flagOf(f.Field)
		if rest, ok := strings.CutPrefix(text, f.Field+" "); ok && flag != "" {
			if strings.HasSuffix(f.Field, "Ms") {
				rest = spans(rest)
			}
			return flag + which(f.Field) + " " + rest
		}
	}
	return text
}

// which tells the values of a flag that is given several times apart: the first
// needs no number.
func which(field string) string {
	_, rest, _ := strings.Cut(field, "[")
	index, _, _ := strings.Cut(rest, "]")
	if n, err := strconv.Atoi(index); err == nil && n > 0 {
		return fmt.Sprintf(" (number %d)", n+1)
	}
	return ""
}

// spans has milliseconds as flags take them: 172800000 is 48h.
func spans(text string) string {
	return regexp.MustCompile(`-?\b\d+\b`).ReplaceAllStringFunc(text, func(digits string) string {
		n, err := strconv.ParseInt(digits, 10, 64)
		if most := int64(math.MaxInt64 / time.Millisecond); err != nil || n == 0 || n > most || n < -most {
			return digits
		}
		span := (time.Duration(n) * time.Millisecond).String()
		for _, rest := range []string{"m0s", "h0m"} { // 48h0m0s
			if strings.HasSuffix(span, rest) {
				span = span[:len(span)-2]
			}
		}
		return span
	})
}

// flagOf is the flag that fills a field of a request; "" where an argument
// does, or nothing that a user gave.
func flagOf(field string) string {
	field, _, _ = strings.Cut(field, "[") // which of many
	if flag := flagOfRule(field); flag != "" {
		return flag
	}
	if flag := flagOfSchedule(field); flag != "" {
		return flag
	}
	switch field {
	case "read.asOfPosition", "read.asOfTime":
		return "--as-of"
	case "fromToken", "from":
		return "--from"
	case "toToken", "toNodeId":
		return "--to"
	case "shardCount":
		return "--shards"
	case "strategyId":
		return "--strategy"
	case "eligibleRole":
		return "--role"
	case "ownership":
		return "--ownership"
	case "ownershipTtlMs":
		return "--ownership-ttl"
	case "readers":
		return "--readers"
	case "loadBound":
		return "--load-bound"
	case "lose":
		return "--lose"
	case "weights":
		return "--weight"
	case "deaths":
		return "--deaths"
	case "windowMs":
		return "--window"
	case "maxAtOnce":
		return "--max-at-once"
	case "capacityHint":
		return "--capacity-hint"
	case "pageSize":
		return "--page-size"
	case "pageToken", "cursor":
		return "--page-token"
	case "orderBy":
		return "--order-by"
	case "resumeToken":
		return "--resume"
	case "sessionId":
		return "--session"
	case "deadlineMs", "drainDeadlineMs":
		return "--deadline"
	case "start":
		return "--start"
	case "end":
		return "--end"
	case "impact":
		return "--impact"
	case "nodeIds":
		return "--node"
	case "selectors":
		return "--label"
	case "mutation.reason":
		return "--reason"
	case "mutation.changeTicket":
		return "--ticket"
	case "mutation.idempotencyKey":
		return "--idempotency-key"
	case "mutation.ifVersion":
		return "--if-version"
	}
	return ""
}

// flagOfRule is flagOf for the rules of a namespace.
func flagOfRule(field string) string {
	switch field {
	case "rules.require":
		return "--require"
	case "rules.pins":
		return "--pin"
	case "rules.maxPerNode":
		return "--max-per-node"
	case "rules.capacityLabel":
		return "--capacity-label"
	case "rules.spread":
		return "--spread"
	case "rules.maxSkew":
		return "--max-skew"
	case "rules.separate":
		return "--separate"
	}
	return ""
}

// flagOfSchedule is flagOf for schedules.
func flagOfSchedule(field string) string {
	switch field {
	case "timing.at":
		return "--at"
	case "timing.afterMs":
		return "--after"
	case "timing.everyMs":
		return "--every"
	case "timing.cron":
		return "--cron"
	case "action.deadlineMs":
		return "--deadline"
	case "missed":
		return "--missed"
	case "retry.attempts":
		return "--attempts"
	case "retry.backoffMs":
		return "--backoff"
	case "retry.backoffMaxMs":
		return "--backoff-max"
	}
	return ""
}

// flagError says what a flag takes whose value does not parse. The library
// tells that in words alone, which are taken apart here; words that are not
// known are passed on.
func flagError(c *cli.Context, err error) error {
	value, rest, _ := strings.Cut(strings.TrimPrefix(err.Error(), "invalid value "), " for flag -")
	name, _, found := strings.Cut(rest, ": ")
	if !found || c == nil || c.Command == nil {
		return usage("%s", err)
	}
	for _, f := range c.Command.Flags {
		if findFlag([]cli.Flag{f}, name) != nil {
			return usage("--%s: %s does not parse (allowed: %s)", f.Names()[0], value, takes(f))
		}
	}
	return usage("%s", err)
}

// takes says what values a flag takes.
func takes(f cli.Flag) string {
	switch f.(type) {
	case *cli.IntFlag, *cli.Int64Flag:
		return "a whole number"
	case *cli.Float64Flag:
		return "a number"
	case *cli.DurationFlag:
		return "a duration with its unit, for example 500ms, 30s or 1m"
	case *cli.BoolFlag:
		return "true or false, or the flag alone"
	}
	return "another value"
}
