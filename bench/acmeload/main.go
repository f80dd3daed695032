// Command acmeload is a load generator for ACME (RFC 8555) servers on
// loopback. See README.md.
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type config struct {
	dir, suffix, challenge      string
	names, workers, total, warm int
	idle                        int
	rate                        float64
	freshConn, freshAcct        bool
	insecure, http2             bool
	roots                       *x509.CertPool
	eab                         *eab
	pids                        []int
	answers                     answers
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "acmeload:", err)
		os.Exit(1)
	}
}

func run() error {
	cfg := &config{}
	flag.StringVar(&cfg.dir, "dir", "", "directory `URL`")
	flag.StringVar(&cfg.suffix, "suffix", "load.test", "DNS `suffix` of the names asked for")
	flag.StringVar(&cfg.challenge, "challenge", "http-01", "http-01 or dns-01")
	flag.IntVar(&cfg.names, "names", 1, "names per certificate")
	flag.IntVar(&cfg.workers, "c", 16, "issuances in flight")
	flag.IntVar(&cfg.total, "n", 500, "measured issuances")
	flag.IntVar(&cfg.warm, "warm", 0, "issuances made first and not measured")
	flag.Float64Var(&cfg.rate, "rate", 0, "issuances begun in a second, evenly; 0: as fast as they go")
	flag.IntVar(&cfg.idle, "idle", 0, "TLS connections to the server that stay open, idle, from before the start")
	flag.BoolVar(&cfg.http2, "http2", false, "offer HTTP/2")
	flag.BoolVar(&cfg.insecure, "insecure", false, "do not verify the server's TLS certificate")
	flag.Func("ca", "PEM `file` of the roots for the server's TLS", cfg.loadRoots)
	flag.Func("eab", "external account binding, `kid:hmac` (base64url)", cfg.parseEAB)
	flag.Func("pid", "`ids` of the server's processes (P,P...); their trees are summed", cfg.parsePIDs)
	conn := flag.String("conn", "keep", "new: connection, directory and nonce fetched for each issuance; keep: once per worker")
	acct := flag.String("account", "shared", "new: an account per issuance; shared: one per worker")
	httpAddr := flag.String("http", "127.0.0.1:5002", "http-01 responder `address`, empty for none")
	dnsAddr := flag.String("dns", "127.0.0.1:8053", "DNS server `address`, empty for none")
	out := flag.String("out", "", "`file` for one JSON line per certificate")
	asJSON := flag.Bool("json", false, "print the summary as JSON")
	flag.Parse()

	cfg.freshConn, cfg.freshAcct = *conn == "new", *acct == "new"
	switch {
	case cfg.dir == "" || flag.NArg() > 0:
		return errors.New("-dir is needed, and no arguments")
	case !cfg.freshConn && *conn != "keep", !cfg.freshAcct && *acct != "shared":
		return errors.New("-conn is new or keep, -account is new or shared")
	case cfg.challenge != "http-01" && cfg.challenge != "dns-01":
		return errors.New("-challenge is http-01 or dns-01")
	case (cfg.roots == nil) != cfg.insecure:
		return errors.New("give one of -ca and -insecure")
	case cfg.names < 1 || cfg.workers < 1 || cfg.total < 1:
		return errors.New("-names, -c and -n are at least 1")
	}
	cfg.answers.suffix = cfg.suffix
	if *httpAddr != "" {
		if err := cfg.answers.serveHTTP(*httpAddr); err != nil {
			return err
		}
	}
	if *dnsAddr != "" {
		if err := cfg.answers.serveDNS(*dnsAddr); err != nil {
			return err
		}
	}
	st := newStats()
	if *out != "" {
		f, err := os.Create(*out)
		if err != nil {
			return err
		}
		defer f.Close()
		w := bufio.NewWriter(f)
		defer w.Flush()
		st.out = json.NewEncoder(w)
	}
	sum, err := measure(cfg, st)
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		enc.Encode(sum)
	} else {
		sum.print(os.Stdout)
	}
	if sum.Failed > 0 {
		return fmt.Errorf("%d issuances failed", sum.Failed)
	}
	return nil
}

func (cfg *config) loadRoots(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	cfg.roots = x509.NewCertPool()
	if !cfg.roots.AppendCertsFromPEM(data) {
		return errors.New("no certificates")
	}
	return nil
}

func (cfg *config) parseEAB(s string) error {
	kid, mac, _ := strings.Cut(s, ":")
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(mac, "="))
	cfg.eab = &eab{kid, key}
	return err
}

func (cfg *config) parsePIDs(s string) error {
	for _, f := range strings.Split(s, ",") {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return err
		}
		cfg.pids = append(cfg.pids, pid)
	}
	return nil
}

// worker is one lane of issuances, with what it keeps between them.
type worker struct {
	client  *client
	account *account
}

// measure sets up the workers' connections and accounts, warms up, and then
// runs and measures the issuances.
func measure(cfg *config, st *stats) (sum summary, err error) {
	setup := newStats()
	idle, err := openIdle(cfg)
	if err != nil {
		return sum, err
	}
	defer closeAll(idle)
	workers := make([]worker, cfg.workers)
	for i := range workers {
		w := &workers[i]
		w.client = newClient(cfg, setup)
		if err := w.client.open(); err != nil {
			return sum, err
		}
		if !cfg.freshAcct {
			if w.account, err = w.client.register(); err != nil {
				return sum, err
			}
		}
	}
	runAll(cfg, workers, setup, cfg.warm, 0)
	before, err := readUsage(cfg.pids)
	if err != nil {
		return sum, err
	}
	start, cpu := time.Now(), ownCPU()
	runAll(cfg, workers, st, cfg.total, cfg.rate)
	wall, cpu := time.Since(start), ownCPU()-cpu
	after, err := readUsage(cfg.pids)
	if err != nil {
		return sum, err
	}
	return st.summarize(wall, cpu, before, after), nil
}

// runAll shares n issuances out to the workers and waits for all of them. With a rate, the time of each counts from when it was due, so
// that a server that is slow for a moment does not hide it by slowing the load.
func runAll(cfg *config, workers []worker, st *stats, n int, rate float64) {
	begin := time.Now()
	batch := strings.ToLower(rand.Text()[:8])
	var next atomic.Int64
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			w.client.stats = st
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				names := make([]string, cfg.names)
				for j := range names {
					names[j] = fmt.Sprintf("n%d-%d-%s.%s", i, j, batch, cfg.suffix)
				}
				start := time.Now()
				if rate > 0 {
					start = begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
					time.Sleep(time.Until(start))
				}
				cert, err := w.once(cfg, names)
				st.done(time.Since(start), cert, err)
			}
		}()
	}
	wg.Wait()
}

func (w *worker) once(cfg *config, names []string) (*issued, error) {
	c, a := w.client, w.account
	if cfg.freshConn {
		c = newClient(cfg, c.stats)
		defer c.http.CloseIdleConnections()
		if err := c.open(); err != nil {
			return nil, err
		}
	}
	if cfg.freshAcct {
		var err error
		if a, err = c.register(); err != nil {
			return nil, err
		}
	}
	return c.issue(a, names)
}
