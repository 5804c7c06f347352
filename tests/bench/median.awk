# median.awk - bench.csv in, the medians of each system's tests out, in the same
# columns (round is the number of rounds), in the order of first appearance.
# Ratios to callbackd are taken within a round: how many times its cost, and its
# throughput. Their medians are appended as cpu_ratio and rate_ratio, and what a
# quarter of the rounds is below, and above, as _low and _high.
function sort(list, count,    i, j, swap) {
	for (i = 2; i <= count; i++) {
		for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
			swap = list[j]
			list[j] = list[j - 1]
			list[j - 1] = swap
		}
	}
}

# Of a sorted list; share 0.5 is the median. Between two: in proportion.
function quantile(list, count, share,    at, below) {
	if (count == 0)
		return ""
	at = 1 + (count - 1) * share
	below = int(at)
	if (below == count)
		return list[count]
	return list[below] + (at - below) * (list[below + 1] - list[below])
}

function column_median(key, column,    i, list, count) {
	count = 0
	for (i = 1; i <= runs[key]; i++)
		if (value[key, i, column] != "")
			list[++count] = value[key, i, column] + 0
	sort(list, count)
	return quantile(list, count, 0.5)
}

# Median, low and high.
function ratios(key, column,    i, list, count, other, base) {
	count = 0
	for (i = 1; i <= runs[key]; i++) {
		other = test[key] == "parts" ? "flat" : test[key]
		base = ours[round[key, i], other, column]
		if (base > 0 && value[key, i, column] != "")
			list[++count] = value[key, i, column] / base
	}
	sort(list, count)
	return quantile(list, count, 0.5) "," quantile(list, count, 0.25) \
	    "," quantile(list, count, 0.75)
}

NR == 1 {
	for (i = 1; i <= NF; i++)
		at[$i] = i
	columns = NF
	print $0 ",cpu_ratio,cpu_ratio_low,cpu_ratio_high," \
	    "rate_ratio,rate_ratio_low,rate_ratio_high"
	next
}
$1 == "warm-up" { next }
{
	key = $2 "," $3
	if (!(key in runs))
		keys[++key_count] = key
	test[key] = $2
	run = ++runs[key]
	round[key, run] = $1
	for (i = 4; i <= columns; i++)
		value[key, run, i] = $i
	if ($3 == "callbackd")
		for (i = 4; i <= columns; i++)
			ours[$1, $2, i] = $i
}
END {
	for (k = 1; k <= key_count; k++) {
		key = keys[k]
		line = runs[key] "," key
		for (i = 4; i <= columns; i++)
			line = line "," column_median(key, i)
		line = line "," ratios(key, at["cpu_us_per_job"])
		line = line "," ratios(key, at["completed_per_s"])
		print line
	}
}
