// Command leader is a sample of leading with a fence. Of many workers one leads
// the scope jobs/report and writes numbered lines to a resource, which refuses
// who leads no more. The resource is a process of its own that knows nothing of
// the mesh; it only compares fences.
//
//	leader resource --listen 127.0.0.1:9000 --data DIR
//	leader worker --endpoint http://127.0.0.1:8080 --node-id n1 --data DIR --resource http://127.0.0.1:9000
//
// Whatever happens to workers and resource, the resource's file has the numbers
// 1, 2, 3 … without a gap, and fences that never fall: a new leader reads where
// the old one stopped with its own fence, after which the old one writes no more.
//
// A worker with --careless looks at no lease and sends what it likes, as a
// program does that checked its lease right before it fell asleep. The resource
// is as safe from it.
package main
