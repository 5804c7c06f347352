# report.awk - a table for people. From medians: all systems, then the goals of
# the project; from bench.csv itself (mode=quick or grow): one line a run.
function show(column) {
	return $at[column] == "" ? "-" : $at[column]
}

function header() {
	printf "\n%-20s %-14s %9s %9s %7s %15s %17s %8s %8s %8s %6s\n",
	    "system", "test", "accepted", "completed", "CPU us", "accept ms",
	    "end to end ms", "PSS idle", "at work", "RSS", "cost"
	printf "%-20s %-14s %9s %9s %7s %15s %17s %8s %8s %8s %6s\n", "", "",
	    "per s", "per s", "per job", "p50 / p99", "p50 / p99", "MiB",
	    "MiB", "MiB", "ratio"
}

function line() {
	printf "%-20s %-14s %9d %9d %7.1f %7.2f /%6.2f %8.2f /%7.2f",
	    $3, $2, show("accepted_per_s"), show("completed_per_s"),
	    cost(), show("accept_p50_ms"), show("accept_p99_ms"),
	    show("end_p50_ms"), show("end_p99_ms")
	printf " %8.1f %8.1f %8.1f", show("idle_pss_mib"),
	    show("full_pss_mib"), show("full_rss_mib")
	if ("cpu_ratio" in at)
		printf " %6.2f", $at["cpu_ratio"]
	printf "\n"
}

# With a backlog, what counts is a job while the backlog stands.
function cost() {
	return $at["backlog"] > 0 ? $at["steady_cpu_us_per_job"] : \
	    $at["cpu_us_per_job"]
}

# spread: what half of the rounds lay within, or nothing.
function goal(text, seen, format, limit, at_least, spread,    met) {
	if (seen == "")
		return
	met = at_least ? seen + 0 >= limit : seen + 0 <= limit
	printf "  %-52s " format "  %s " format "  %s%s\n", text, seen,
	    at_least ? ">=" : "<=", limit, met ? "met" : "MISSED", spread
}

# How many times the cost, or the throughput, of another system is callbackd's;
# the other way round is what median.awk has.
function ratio_goal(text, other, column, limit, at_least,    seen_ratio) {
	seen_ratio = seen_of(other, "flat", column)
	if (seen_ratio == "")
		return
	goal(text, 1 / seen_ratio, "%7.2f", limit, at_least,
	    sprintf("  (%.2f to %.2f)", 1 / seen_of(other, "flat",
	    column "_high"), 1 / seen_of(other, "flat", column "_low")))
}

function seen_of(name, test, column) {
	return seen[name, test, column]
}

# The same of callbackd as it ships, on two cores: the ratios of both systems to
# callbackd on one thread, divided.
function shipped_goal(text, other, column, limit, at_least,    theirs) {
	theirs = seen_of(other, "flat", column)
	if (theirs != "" && ("callbackd-2-threads", "flat", column) in seen)
		goal(text, seen_of("callbackd-2-threads", "flat", column) / \
		    theirs, "%7.2f", limit, at_least)
}

# What --grow is for. A million is compared with none before and after it.
function growth_goals(    none, many) {
	none = (without[1] + without[2]) / 2
	many = seen_of("callbackd", "queued-1000000", "steady_cpu_us_per_job")
	print "\nGoals, of callbackd on one thread"
	if (none > 0)
		goal("CPU per job with 1,000,000 queued / with none",
		    many / none, "%7.2f", 1.15)
	goal("RSS with 1,000,000 queued, MiB",
	    seen_of("callbackd", "queued-1000000", "full_rss_mib"), "%7.1f",
	    100)
}

NR == 1 {
	for (i = 1; i <= NF; i++)
		at[$i] = i
	header()
	next
}
$1 == "warm-up" { next }
$2 == "parts" {
	for (name in at)
		seen[$3, "flat", name] = $at[name]
	printf "%-20s %-14s %27.1f\n", $3, $2, $at["cpu_us_per_job"]
	next
}
{
	line()
	if ($2 == "queued-0")
		without[++without_count] = $at["steady_cpu_us_per_job"]
	for (name in at)
		seen[$3, $2, name] = $at[name]
}
END {
	if (mode == "grow")
		growth_goals()
	if (mode != "")
		exit
	print "\nGoals, of callbackd on one thread"
	ratio_goal("CPU per job, flat / sum of the parts", "floor-sum",
	    "cpu_ratio", 1.3)
	ratio_goal("the same, posts with the interface's fields",
	    "floor-sum-as-sent", "cpu_ratio", 1.3)
	ratio_goal("CPU per job, flat / that of BullMQ, Redis everysec",
	    "bullmq-everysec", "cpu_ratio", 1 / 3)
	shipped_goal("the same, as it ships: two threads", "bullmq-everysec",
	    "cpu_ratio", 1 / 3)
	ratio_goal("completed jobs/s / those of BullMQ", "bullmq-everysec",
	    "rate_ratio", 2, 1)
	shipped_goal("the same, as it ships: two threads", "bullmq-everysec",
	    "rate_ratio", 2, 1)
	goal("accept p50 at 1000/s, ms",
	    seen_of("callbackd", "rate-1000", "accept_p50_ms"), "%7.2f", 0.5)
	goal("accept p99 at 1000/s, ms",
	    seen_of("callbackd", "rate-1000", "accept_p99_ms"), "%7.2f", 2)
	goal("CPU us per job at 1000/s",
	    seen_of("callbackd", "rate-1000", "cpu_us_per_job"), "%7.0f", 250)
	goal("CPU us per job at 200/s",
	    seen_of("callbackd", "rate-200", "cpu_us_per_job"), "%7.0f", 500)
	goal("RSS at work, MiB",
	    seen_of("callbackd", "flat", "full_rss_mib"), "%7.1f", 20)
	goal("the same, as it ships: two threads",
	    seen_of("callbackd-2-threads", "flat", "full_rss_mib"), "%7.1f", 20)
	goal("RSS with 100,000 queued, MiB",
	    seen_of("callbackd", "queued", "full_rss_mib"), "%7.1f", 60)
}
