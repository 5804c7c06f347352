# line.awk - one run in one line, for whoever waits. The first line of input
# names the columns.
NR == 1 {
	for (i = 1; i <= NF; i++)
		at[$i] = i
	next
}
{
	printf " %6d/s %7.1f us  accept %.2f/%.2f ms  end %.2f/%.2f ms",
	    $at["completed_per_s"], $at["cpu_us_per_job"],
	    $at["accept_p50_ms"], $at["accept_p99_ms"],
	    $at["end_p50_ms"], $at["end_p99_ms"]
	printf "  %d MiB", $at["full_pss_mib"]
	faults = $at["refused"] + $at["lost"] + $at["missing"] + \
	    $at["repeated"] + $at["wrong"]
	if (faults > 0)
		printf "  FAULTS %d", faults
	printf "\n"
}
