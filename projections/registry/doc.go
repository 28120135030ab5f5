// Package registry is the view of what is not a shard: peers, leaders,
// candidates, namespaces, policies, eras and schedules.
//
// It promises:
//
//  1. A node that ever joined has a [controlv1.Peer], also after it left. Its
//     version rises by one with each event that names it, as in the write model
//     of commands/membership. It is alive from its NodeJoined; failed when its
//     session expired; left when it left. A session that was closed by a restart
//     leaves it alive. A server, which has no session, is failed when it was lost
//     in silence, left when it stopped, and alive again when it returned.
//  2. A scope has a [controlv1.LeadershipToken] exactly while it is led. Term,
//     fence token and version are the position of the grant (L2), so no two
//     grants of a scope look alike.
//  3. A candidacy has a row until it is granted, withdrawn, or its session is
//     closed.
//  4. A namespace has a [controlv1.Namespace] until NamespaceDeleted; a deleted
//     name begins again at version 1.
//  5. Policies and eras are kept as the events that made them.
//  6. A schedule has a [controlv1.Schedule] until it is removed, with its last run;
//     its history is that of the row. Its version is the position of the last event
//     about it.
//
// Live decorations (Peer.last_seen, LeadershipToken.expires_at) are not on the
// log, so they are not here. The status suspect is no fact either.
package registry
