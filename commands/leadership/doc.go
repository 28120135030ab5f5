// Package leadership decides who leads which scope.
//
//  1. At any position a scope has at most one holder (L1), and the next grant
//     follows the end of the one before (L4).
//  2. The term is the position of the grant; the fence token is home epoch ×
//     2^40 + term. Both strictly increase per scope for ever (L2): there is no
//     counter that anything could reset.
//  3. A scope is held by a session and ends with it: SessionClosed ends every
//     leadership and candidacy of the session, without an event of its own.
//  4. A campaign for a scope that is held declares a candidacy; Elect grants a
//     vacant scope to the candidate with the highest priority, and among equals
//     to the one that declared first (L5).
//  5. global-control belongs to the servers of the control plane: its holder
//     proves itself by the authority stream, and its grant ends the one before
//     in the same decision.
//
// Rejections: scope_reserved, not_leader, session_not_found, node_cordoned, node_draining, node_drained,
// invalid_field.
package leadership
