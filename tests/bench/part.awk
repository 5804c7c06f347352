# part.awk - a part of the floor as a line of bench.csv: all columns but its
# cost are empty. Needs round, part, us and columns.
BEGIN {
	count = split(columns, names, ",")
	line = round ",parts"
	for (i = 1; i <= count; i++) {
		value = ""
		if (names[i] == "name")
			value = "floor-" part
		if (names[i] == "cpu_us_per_job")
			value = us
		line = line "," value
	}
	print line
}
