package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ is 100 on every Linux that
// Go runs on. Over a run of 2 s it is off by 0.5 % at most.
const tick = time.Second / 100

// stat is what bench reads of /proc/PID/stat; see proc(5).
type stat struct {
	pid, parent int
	cpu         time.Duration // user and system time, of children that were waited for too
}

// parseStat reads one line of /proc/PID/stat. The program's name stands in
// parentheses and may itself hold spaces and parentheses.
func parseStat(line string) (stat, error) {
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return stat{}, fmt.Errorf("no program's name in %q", line)
	}
	const parent, userTime, lastTime = 1, 11, 14 // counted from the state, which is field 3
	fields := strings.Fields(line[end+1:])
	if len(fields) <= lastTime {
		return stat{}, fmt.Errorf("%d fields after the name in %q", len(fields), line)
	}
	var s stat
	var err error
	if s.pid, err = strconv.Atoi(strings.TrimSpace(line[:open])); err != nil {
		return stat{}, err
	}
	if s.parent, err = strconv.Atoi(fields[parent]); err != nil {
		return stat{}, err
	}
	for _, field := range fields[userTime : lastTime+1] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return stat{}, err
		}
		s.cpu += time.Duration(ticks) * tick
	}
	return s, nil
}

// cpuTime returns the user and system time that a process, its threads and
// all that descend from it have used so far.
func cpuTime(pid int) (time.Duration, error) {
	all, err := allStats()
	if err != nil {
		return 0, err
	}
	total, found := treeTime(all, pid)
	if !found {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	return total, nil
}

// allStats are those of all processes.
func allStats() ([]stat, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	all := make([]stat, 0, len(paths))
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended since
		}
		s, err := parseStat(string(line))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// descendants are the processes below another.
func descendants(all []stat, root int) (pids []int) {
	for _, s := range all {
		if s.parent == root {
			pids = append(append(pids, s.pid), descendants(all, s.pid)...)
		}
	}
	return pids
}

// treeTime adds up the times of a process and its descendants.
func treeTime(all []stat, root int) (total time.Duration, found bool) {
	for _, s := range all {
		if s.pid == root {
			total, found = total+s.cpu, true
		}
		if s.parent == root {
			below, _ := treeTime(all, s.pid)
			total += below
		}
	}
	return total, found
}
