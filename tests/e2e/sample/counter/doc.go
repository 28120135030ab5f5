// Command counter is a sample of owning shards with state on disk: named counters
// that many processes serve, each the shards that it owns.
//
//	omnirelay mesh namespaces create counts --shards 16
//	counter --endpoint http://127.0.0.1:8080 --node-id n1 --data DIR --state SHARED --listen 127.0.0.1:9001
//
//	curl -X POST 'http://127.0.0.1:9001/add?key=apples&id=6f1c'   # 1
//	curl 'http://127.0.0.1:9001/get?key=apples'                    # 1
//
// Any process takes any request and passes it on to the owner of the key's shard.
// An increment has an id that its client made; one that is sent again, because no
// answer came, counts once. The journal of a shard is in a directory that all
// processes share, and is guarded by fences: what was answered is there whoever
// owns the shard next, and a former owner that wakes up writes nothing that counts.
package main
