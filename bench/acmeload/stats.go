package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"
)

// stats gathers what the workers did.
type stats struct {
	mu       sync.Mutex
	requests map[string]int
	problems map[string]int // every problem document received, by type
	failures map[string]int // failed issuances, by cause
	took     []time.Duration
	out      *json.Encoder // nil without -out
}

func newStats() *stats {
	return &stats{requests: map[string]int{}, problems: map[string]int{}, failures: map[string]int{}}
}

func (s *stats) count(in map[string]int, key string) {
	s.mu.Lock()
	in[key]++
	s.mu.Unlock()
}

func (s *stats) done(took time.Duration, cert *issued, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if len(s.failures) == 0 {
			fmt.Fprintln(os.Stderr, "acmeload: first failure:", err)
		}
		cause := err.Error()
		if p := (*problem)(nil); errors.As(err, &p) {
			cause = p.Type
		}
		s.failures[cause]++
		return
	}
	s.took = append(s.took, took)
	if s.out != nil {
		s.out.Encode(cert)
	}
}

// summary is the -json output.
type summary struct {
	OK            int            `json:"ok"`
	Failed        int            `json:"failed"`
	WallSeconds   float64        `json:"wall_s"`
	PerSecond     float64        `json:"issuances_per_s"`
	ClientCPU     float64        `json:"client_cpu_ms"`
	ServerCPU     float64        `json:"server_cpu_ms"`
	ServerCPUEach float64        `json:"server_cpu_ms_per_issuance"`
	ServerPeakRSS float64        `json:"server_peak_rss_mib"`
	ServerPSS     float64        `json:"server_pss_mib"`
	ServerWritten float64        `json:"server_written_mib"`
	P50           float64        `json:"p50_ms"`
	P95           float64        `json:"p95_ms"`
	P99           float64        `json:"p99_ms"`
	RequestsEach  float64        `json:"requests_per_issuance"`
	Requests      map[string]int `json:"requests"`
	Problems      map[string]int `json:"problems"`
	Failures      map[string]int `json:"failures"`
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func (s *stats) summarize(wall, clientCPU time.Duration, before, after usage) summary {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	slices.Sort(s.took)
	at := func(q float64) float64 {
		if len(s.took) == 0 {
			return 0
		}
		return ms(s.took[int(q*float64(len(s.took)))])
	}
	ok := max(float64(len(s.took)), 1)
	return summary{
		OK: len(s.took), Failed: total(s.failures),
		WallSeconds: wall.Seconds(), PerSecond: float64(len(s.took)) / wall.Seconds(),
		ClientCPU: ms(clientCPU), ServerCPU: ms(after.cpu - before.cpu), ServerCPUEach: ms(after.cpu-before.cpu) / ok,
		ServerPeakRSS: float64(after.peakRSS) / (1 << 20), ServerPSS: float64(after.pss) / (1 << 20),
		ServerWritten: float64(after.written-before.written) / (1 << 20),
		P50:           at(0.50), P95: at(0.95), P99: at(0.99),
		RequestsEach: float64(total(s.requests)) / ok,
		Requests:     s.requests, Problems: s.problems, Failures: s.failures,
	}
}

func (s summary) print(w io.Writer) {
	fmt.Fprintf(w, "issuances  %d ok, %d failed in %.2f s (%.1f/s)\n", s.OK, s.Failed, s.WallSeconds, s.PerSecond)
	fmt.Fprintf(w, "latency    p50 %.1f ms, p95 %.1f ms, p99 %.1f ms\n", s.P50, s.P95, s.P99)
	fmt.Fprintf(w, "server     %.0f ms CPU, %.3f ms per issuance, peak RSS %.1f MiB, PSS %.1f MiB, %.1f MiB written\n",
		s.ServerCPU, s.ServerCPUEach, s.ServerPeakRSS, s.ServerPSS, s.ServerWritten)
	fmt.Fprintf(w, "client     %.0f ms CPU\n", s.ClientCPU)
	for i, counts := range []map[string]int{s.Requests, s.Problems, s.Failures} {
		for _, key := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(w, "%-10s %6d %s\n", []string{"requests", "problems", "failures"}[i], counts[key], key)
		}
	}
}
