package placement
import ("testing";"math/rand/v2")
func TestFrag(t *testing.T) {
	for _, sz := range [][2]int{{10000,60},{100000,1000}} {
	pool := fleet(sz[1])
	r := rand.New(rand.NewPCG(1,2))
	in := mustInput(t,"demo",sz[0],pool)
	res := optimal(in)
	runs := func() int { n:=1; for s:=1;s<len(res.Owner);s++ { if res.OwnerID(s)!=res.OwnerID(s-1) {n++} }; return n }
	alive := len(pool); maxch:=0
	for step := 1; step <= 2000; step++ {
		if alive < len(pool) && (r.IntN(2)==0 || alive < len(pool)*9/10) { alive++ } else { i:=r.IntN(alive); pool[i],pool[alive-1]=pool[alive-1],pool[i]; alive-- }
		// random rejoin order
		if alive < len(pool) { i := alive + r.IntN(len(pool)-alive); pool[i],pool[alive]=pool[alive],pool[i] }
		in = carry(t,in,res,pool[:alive]); res = optimal(in)
		maxch=max(maxch,len(res.Changes))
		if step==1||step==10||step==100||step==500||step==2000 { t.Log(sz, step, "runs", runs(), "changes", len(res.Changes), "max", maxch) }
	}}
}
