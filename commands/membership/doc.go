// Package membership decides who is in the mesh: nodes, their sessions and
// their lifecycle.
//
//  1. A node has at most one live session. Its id is the position of its
//     SessionOpened, so ids only rise and nothing can reset them.
//
//  2. A second process with the id of a node whose session lives is refused,
//     unless it proves by the session's secret, and a higher incarnation, that
//     it follows the first; then the old session closes in the same decision,
//     before the new one opens. An open that was delayed on its way closes
//     nothing: it has the incarnation of the session, or a lower one.
//
//  3. A session closes once. Closing an older session than the present one is
//     refused, so that a late expiry never closes a new session.
//
//  4. A session that is to be closed although its lease may live is first closing
//     (SessionClosing): it is given nothing and not answered, and closes when its
//     timer has ended, or before, when its node leaves or restarts.
//
//  5. A node's sessions that were opened with one secret, without one of another
//     between them, are of one data directory, which one process uses at a time: see
//     [State.Heir].
//
//  6. Lifecycle: cordon active → cordoned, drain active or cordoned → draining,
//     cancel-drain draining → active, uncordon cordoned or drained → active, and
//     drain of a draining node a new deadline; anything else is invalid_transition
//     and names what is allowed. draining → drained is noted when the node owns and
//     leads nothing and its session says that it holds nothing (A7).
//
//  7. Servers are nodes with role "server" and have no session.
//     The control leader notes when it does not hear one any more (lost: silent, or
//     stopped by its own word) and when it does again. Neither changes what the
//     server may do.
//
//  8. What operators labelled stays on a node over its restarts, until it
//     leaves. The weight that an operator gave stays until an operator gives
//     another, whatever the node says of itself.
//
//  9. A maintenance window in force puts its nodes into the state of its impact, and
//     they carry its name; when no window wants a node any more it goes back to what
//     it was, and what operators did meanwhile holds: one that they opened is not
//     closed again by a window that was in force then, one that they drain is left
//     alone, one that they had cordoned is cordoned again.
//
// The version of a node rises by one with each event about it.
//
// Rejections: session_exists, incarnation_stale, session_not_found, session_not_closing, secret_mismatch,
// invalid_transition, node_not_draining, drain_not_finished, deadline_not_reached, node_exists, node_is_server, node_not_server, node_not_found, node_left,
// invalid_field, version_mismatch.
package membership
