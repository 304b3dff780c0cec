package servers

// Cluster is a primary with its standbys, or one of the shards of a database.
type Cluster struct {
	Primary  *Postgres
	Replicas []*Postgres
}

// StartCluster starts a primary and standbys of it, named r1, r2 and so on, and waits until all take connections. Each
// of the replica options, if there are any, is for the standby at its place.
func StartCluster(o Owner, options Options, replicas int, each ...ReplicaOptions) *Cluster {
	o.Helper()
	c, err := startCluster(o, options, replicas, each)
	if err != nil {
		lacking(o, err)
	}
	return c
}

// startCluster copies the primary's data while it does not yet run, which is cheaper than a backup.
func startCluster(o Owner, options Options, replicas int, each []ReplicaOptions) (*Cluster, error) {
	primary, err := newPostgres(o, options)
	if err != nil {
		return nil, err
	}
	if err := primary.install.fresh(primary.data()); err != nil {
		return nil, err
	}
	c := &Cluster{Primary: primary}
	copies := make([]func() error, replicas)
	starts := make([]func() error, replicas)
	for i := range replicas {
		var ro ReplicaOptions
		if i < len(each) {
			ro = each[i]
		}
		r, err := primary.replica(ro)
		if err != nil {
			return nil, err
		}
		c.Replicas = append(c.Replicas, r)
		copies[i] = func() error { return r.install.copy(primary.data(), r.data()) }
		starts[i] = func() error {
			if err := r.follow(primary); err != nil {
				return err
			}
			return r.begin()
		}
	}
	if err := parallel(copies...); err != nil {
		return nil, err
	}
	if err := primary.begin(); err != nil {
		return nil, err
	}
	return c, parallel(starts...)
}

// StartShards starts clusters that know nothing of each other, each with as many standbys.
func StartShards(o Owner, options Options, shards, replicas int) []*Cluster {
	o.Helper()
	all := make([]*Cluster, shards)
	starts := make([]func() error, shards)
	for i := range shards {
		starts[i] = func() (err error) {
			all[i], err = startCluster(o, options, replicas, nil)
			return err
		}
	}
	if err := parallel(starts...); err != nil {
		lacking(o, err)
	}
	return all
}

// All are the primary and the standbys.
func (c *Cluster) All() []*Postgres { return append([]*Postgres{c.Primary}, c.Replicas...) }

// URL names all servers, the primary first.
func (c *Cluster) URL(database string) string { return urlOf(database, c.All()...) }

// Sync waits until all standbys have replayed what the primary has written.
func (c *Cluster) Sync() {
	c.Primary.owner.Helper()
	lsn := c.Primary.LSN()
	for _, r := range c.Replicas {
		r.WaitReplay(lsn)
	}
}
