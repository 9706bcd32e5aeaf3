package loadgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
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
	return &observer{from: "/proc", local: true, coresMax: coresAllowed(pids), read: read, close: func() {}}, nil
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
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0
		}
		for line := range strings.Lines(string(status)) {
			if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
				most = max(most, parseCPUList(strings.TrimSpace(list)))
			}
		}
	}
	return most
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
