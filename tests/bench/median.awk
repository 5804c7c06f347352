# median.awk - bench.csv in, the medians of each system's tests out, in the same
# columns (round is the number of rounds), in the order of first appearance.
# Ratios to callbackd are taken within a round, and their medians appended as
# cpu_ratio, rate_ratio: how many times callbackd's cost, and its throughput.
function median(list, count,    i, j, swap) {
	for (i = 2; i <= count; i++) {
		for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
			swap = list[j]
			list[j] = list[j - 1]
			list[j - 1] = swap
		}
	}
	if (count == 0)
		return ""
	return count % 2 ? list[(count + 1) / 2] : \
	    (list[count / 2] + list[count / 2 + 1]) / 2
}

function column_median(key, column,    i, list, count) {
	count = 0
	for (i = 1; i <= runs[key]; i++)
		if (value[key, i, column] != "")
			list[++count] = value[key, i, column] + 0
	return median(list, count)
}

function ratio_median(key, column,    i, list, count, other, base) {
	count = 0
	for (i = 1; i <= runs[key]; i++) {
		other = test[key] == "parts" ? "flat" : test[key]
		base = ours[round[key, i], other, column]
		if (base > 0 && value[key, i, column] != "")
			list[++count] = value[key, i, column] / base
	}
	return median(list, count)
}

NR == 1 {
	for (i = 1; i <= NF; i++)
		at[$i] = i
	columns = NF
	print $0 ",cpu_ratio,rate_ratio"
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
		line = line "," ratio_median(key, at["cpu_us_per_job"])
		line = line "," ratio_median(key, at["completed_per_s"])
		print line
	}
}
