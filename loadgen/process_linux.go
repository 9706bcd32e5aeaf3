package loadgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU time in /proc: USER_HZ, which is 100 for every
// program whatever the kernel's own.
const clockTick = 10 * time.Millisecond

func observeProcesses(pids []int) (*observer, error) {
	read := func(context.Context) (reading, error) {
		var sum reading
		for _, pid := range pids {
			r, err := readProcess(pid)
			if err != nil {
				return sum, fmt.Errorf("process %d: %w", pid, err)
			}
			sum.cpu += r.cpu
			sum.resident += r.resident
		}
		return sum, nil
	}
	if _, err := read(nil); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, invalid("there is no such process among %v", pids)
		}
		return nil, fmt.Errorf("loadgen: cannot read what the server uses: %w", err)
	}
	return &observer{from: "/proc", local: true, coresMax: coresAllowed(pids), read: read, threads: func() map[int]time.Duration { return threadTimes(pids) }, peak: func() int64 { return peakResident(pids) }, close: func() {}}, nil
}

// threadTimes returns the CPU time of each thread of the processes, by its number.
func threadTimes(pids []int) map[int]time.Duration {
	times := map[int]time.Duration{}
	for _, pid := range pids {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/stat", pid))
		for _, file := range files {
			stat, err := os.ReadFile(file)
			if err != nil {
				continue // it has ended
			}
			id, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if cpu, err := parseStat(stat); err == nil {
				times[id] = cpu
			}
		}
	}
	return times
}

func readProcess(pid int) (reading, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return reading{}, err
	}
	cpu, err := parseStat(stat)
	if err != nil {
		return reading{}, err
	}
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return reading{}, err
	}
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return reading{}, errStat
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return reading{cpu: cpu, resident: pages * int64(os.Getpagesize())}, err
}

var errStat = errors.New("unexpected content in /proc")

// parseStat returns the CPU time in the content of /proc/PID/stat: fields 14 and
// 15, user and system time. The second field is the program's name in
// parentheses, which may hold anything.
func parseStat(stat []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(stat, ')')
	fields := bytes.Fields(stat[end+1:])
	if end < 0 || len(fields) < 13 {
		return 0, errStat
	}
	var ticks uint64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseUint(string(field), 10, 48)
		if err != nil {
			return 0, errStat
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// coresAllowed is the most that any of the processes may run on, 0 if unknown.
func coresAllowed(pids []int) int {
	most := 0
	for _, pid := range pids {
		list, ok := statusOf(pid, "Cpus_allowed_list:")
		if !ok {
			return 0
		}
		most = max(most, parseCPUList(list))
	}
	return most
}

// peakResident is the most memory that the processes have had, each at its time; 0
// if unknown.
func peakResident(pids []int) (sum int64) {
	for _, pid := range pids {
		text, ok := statusOf(pid, "VmHWM:")
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(text, "kB")), 10, 44)
		if !ok || err != nil {
			return 0
		}
		sum += kib << 10
	}
	return sum
}

// statusOf returns a line of /proc/PID/status behind its name.
func statusOf(pid int, name string) (value string, ok bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// parseCPUList counts the processors of a list such as 0-3,8; 0 if it is none.
func parseCPUList(list string) (n int) {
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		b := a
		if err == nil && isRange {
			b, err = strconv.Atoi(last)
		}
		if err != nil || a < 0 || b < a || b-a > 1<<20 {
			return 0
		}
		n += b - a + 1
	}
	return n
}

// machineCPU returns the CPU time that all programs of this machine have used.
func machineCPU() (time.Duration, bool) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	return parseMachineStat(stat)
}

// parseMachineStat adds up the first line of /proc/stat, which is for all
// processors together: user, nice, system, idle, iowait, irq, softirq, steal, and
// two that are in user and nice already. Steal is what other machines on the
// same hardware took.
func parseMachineStat(stat []byte) (time.Duration, bool) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) < 9 || string(fields[0]) != "cpu" {
		return 0, false
	}
	var ticks uint64
	for i, field := range fields[1:9] {
		n, err := strconv.ParseUint(string(field), 10, 48)
		if err != nil {
			return 0, false
		}
		if i != 3 && i != 4 {
			ticks += n
		}
	}
	return time.Duration(ticks) * clockTick, true
}

// machineProcessors is how many processors that time is of. It may be more than
// this process may use.
func machineProcessors() (int, bool) {
	list, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return 0, false
	}
	n := parseCPUList(strings.TrimSpace(string(list)))
	return n, n > 0
}
