#!/usr/bin/env bash
# Waits until Jobs are over, shows what they said, and fails if one of them did:
#
#     deploy/kubernetes/wait.sh scaletest-collector scaletest-cleanup
#
# kubectl waits for one condition, and so for hours for a Job to complete that has failed.
set -u
namespace=${NAMESPACE:-scaletest}
limit=${LIMIT:-5h}

over() {
	local job=job/$1 waits=() how
	for how in Complete Failed; do
		kubectl -n "$namespace" wait "$job" --for=condition="$how" --timeout="$limit" >/dev/null &
		waits+=($!)
	done
	wait -n "${waits[@]}"
	kill "${waits[@]}" 2>/dev/null
	wait "${waits[@]}" 2>/dev/null
	kubectl -n "$namespace" logs "$job"
	[ "$(kubectl -n "$namespace" get "$job" -o 'jsonpath={.status.succeeded}')" = 1 ] && return
	echo "wait.sh: the Job $1 did not succeed in $limit: its log is above; kubectl -n $namespace describe $job says more" >&2
	return 1
}

[ $# -gt 0 ] || {
	echo 'wait.sh: no Job is named: want scaletest-collector, scaletest-merge or scaletest-cleanup' >&2
	exit 2
}
status=0
for name; do
	over "$name" || status=1
done
exit $status
