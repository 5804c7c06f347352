# faults.awk - counts what must never happen, and fails if it did: the last word
# of every benchmark. Only callbackd decides the exit status.
NR == 1 {
	for (i = 1; i <= NF; i++)
		at[$i] = i
	next
}
$2 == "parts" { next }
{
	whose = $3 ~ /^callbackd/ ? "callbackd" : "peers"
	completed[whose] += $at["completed"]
	missing[whose] += $at["missing"]
	repeated[whose] += $at["repeated"]
	wrong[whose] += $at["wrong"]
	refused[whose] += $at["refused"] + $at["lost"]
	if ($at["completed"] == 0)
		idle[whose]++
}
function report(whose) {
	if (whose in completed)
		printf "%s: %d jobs called back; %d missing, %d repeated, " \
		    "%d wrong callbacks; %d requests not accepted\n", whose,
		    completed[whose], missing[whose], repeated[whose],
		    wrong[whose], refused[whose]
}
END {
	report("callbackd")
	report("peers")
	exit idle["callbackd"] + missing["callbackd"] + \
	    repeated["callbackd"] + wrong["callbackd"] + \
	    refused["callbackd"] > 0 || completed["callbackd"] + 0 == 0
}
