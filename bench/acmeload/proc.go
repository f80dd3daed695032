package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a set of process trees has used so far.
type usage struct {
	cpu     time.Duration // user + system, reaped children included
	peakRSS int64         // sum of VmHWM, bytes
	pss     int64         // what they hold now, shared pages shared out, bytes
	written int64         // bytes sent to storage
}

// readStat returns a process's parent and its utime+stime+cutime+cstime.
func readStat(pid int) (parent int, cpu time.Duration, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// The command name may hold blanks and brackets: count fields after it.
	f := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	parent, _ = strconv.Atoi(f[1])
	for _, s := range f[11:15] {
		ticks, _ := strconv.ParseInt(s, 10, 64)
		cpu += time.Duration(ticks) * 10 * time.Millisecond // USER_HZ is 100
	}
	return parent, cpu, nil
}

// readField returns the number after a key in a /proc/PID file, 0 if absent.
func readField(pid int, file, key string) int64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	_, rest, _ := strings.Cut("\n"+string(data), "\n"+key)
	f := append(strings.Fields(rest), "0")
	n, _ := strconv.ParseInt(f[0], 10, 64)
	return n
}

// readUsage sums over the given processes and all their descendants.
func readUsage(roots []int) (usage, error) {
	var u usage
	parents, cpu := map[int]int{}, map[int]time.Duration{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(d))
		if parent, used, err := readStat(pid); err == nil {
			parents[pid], cpu[pid] = parent, used
		}
	}
	in := map[int]bool{}
	for _, pid := range roots {
		if _, ok := parents[pid]; !ok {
			return u, fmt.Errorf("no process %d", pid)
		}
		in[pid] = true
	}
	for grew := true; grew; {
		grew = false
		for pid, parent := range parents {
			if in[parent] && !in[pid] {
				in[pid], grew = true, true
			}
		}
	}
	for pid := range in {
		u.cpu += cpu[pid]
		u.peakRSS += 1024 * readField(pid, "status", "VmHWM:")
		u.pss += 1024 * readField(pid, "smaps_rollup", "Pss:")
		u.written += readField(pid, "io", "write_bytes:")
	}
	return u, nil
}

// ownCPU is the CPU time of this process, its responders included.
func ownCPU() time.Duration {
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
