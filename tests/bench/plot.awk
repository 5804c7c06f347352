# plot.awk - medians in, an SVG picture of them out: bars, one panel a question,
# one bar a system, callbackd in its own colour. Shorter is better but where a
# panel says otherwise.
function text(x, y, anchor, size, words) {
	shapes = shapes sprintf("<text x=\"%d\" y=\"%d\" " \
	    "text-anchor=\"%s\" font-size=\"%d\">%s</text>\n", x, y, anchor,
	    size, words)
}

function bar(x, y, width, colour) {
	shapes = shapes sprintf("<rect x=\"%d\" y=\"%d\" width=\"%.1f\" " \
	    "height=\"16\" fill=\"%s\"/>\n", x, y, width < 1 ? 1 : width,
	    colour)
}

function colour_of(name) {
	if (name ~ /^callbackd/)
		return "#1b7f5c"
	return name == "sum of the parts" ? "#c9c9c9" : "#7a8ca5"
}

# panel(TITLE, TEST, COLUMN, FORMAT): a bar for each system with a value.
function panel(title, test, column, format,    i, name, most, y) {
	most = 0
	for (i = 1; i <= names_count; i++)
		if (value[names[i], test, column] > most)
			most = value[names[i], test, column]
	if (most == 0)
		return
	text(20, top + 20, "start", 15, title)
	y = top + 30
	for (i = 1; i <= names_count; i++) {
		name = names[i]
		if (value[name, test, column] == "")
			continue
		text(170, y + 13, "end", 12, name)
		bar(180, y, value[name, test, column] / most * 460,
		    colour_of(name))
		text(188 + value[name, test, column] / most * 460, y + 13,
		    "start", 12, sprintf(format, value[name, test, column]))
		y += 22
	}
	top = y + 14
}

NR == 1 {
	for (i = 1; i <= NF; i++)
		at[$i] = i
	next
}
{
	name = $3
	sub(/^floor-sum$/, "sum of the parts", name)
	if (name ~ /^floor-/)
		next
	if (!(name in known))
		names[++names_count] = name
	known[name] = 1
	test = $2 == "parts" ? "flat" : $2
	for (column in at)
		value[name, test, column] = $at[column]
}
END {
	if (names_count == 0)
		exit 1
	top = 10
	panel("CPU per job, as fast as it goes, µs", "flat",
	    "cpu_us_per_job", "%.0f")
	panel("Completed jobs per second (longer is better)", "flat",
	    "completed_per_s", "%.0f")
	panel("CPU per job at 1000 jobs/s, µs", "rate-1000",
	    "cpu_us_per_job", "%.0f")
	panel("Time to 202 at 1000 jobs/s, 99th of a hundred, ms", "rate-1000",
	    "accept_p99_ms", "%.2f")
	panel("Request to callback at 1000 jobs/s, median, ms", "rate-1000",
	    "end_p50_ms", "%.2f")
	panel("Memory (PSS) with 100,000 jobs queued, MiB", "queued",
	    "full_pss_mib", "%.0f")
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" " \
	    "height=\"%d\" font-family=\"sans-serif\">\n", top
	print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
	print shapes "</svg>"
}
