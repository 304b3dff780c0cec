package main

import "fmt"

// rate is how fast the series of a counter grow, summed by labels.
func rate(counter, by string) string {
	return fmt.Sprintf("sum by (%s) (rate(%s[$__rate_interval]))", by, counter)
}

// share is the part that the series of one counter have in another.
func share(part, whole, by string) string { return rate(part, by) + " / " + rate(whole, by) }

// quantile is the duration that a share of all stays below.
func quantile(share, histogram, by string) string {
	if by != "" {
		by = ", " + by
	}
	return fmt.Sprintf("histogram_quantile(%s, sum by (le%s) (rate(%s_bucket{}[$__rate_interval])))", share, by, histogram)
}

// rows are what the dashboard shows.
func rows() []row {
	return []row{
		{"Overview", []graph{
			{"Requests", "reqps", []line{{"{{instance}}", rate("api_requests_total{}", "instance")}}},
			{"Requests that fail", "percentunit", []line{{"{{instance}}", share(`api_requests_total{+status=~"5.."}`, "api_requests_total{}", "instance")}}},
			{"Duration", "s", []line{{"median", quantile("0.5", "api_request_duration_seconds", "")}, {"99 of 100", quantile("0.99", "api_request_duration_seconds", "")}}},
			{"Requests in flight", "short", []line{{"{{instance}}", "api_requests_in_flight{}"}}},
			{"Processors", "short", []line{{"{{instance}}", "rate(process_cpu_seconds_total{}[$__rate_interval])"}}},
			{"Memory", "bytes", []line{{"{{instance}}", "process_resident_memory_bytes{}"}}},
		}},
		{"Endpoints", []graph{
			{"Requests", "reqps", []line{{"{{endpoint}}", rate("api_requests_total{}", "endpoint")}}},
			{"Refusals and failures", "reqps", []line{{"{{endpoint}} {{status}}", rate(`api_requests_total{+status=~"[45].."}`, "endpoint, status")}}},
			{"Duration, 99 of 100", "s", []line{{"{{endpoint}}", quantile("0.99", "api_request_duration_seconds", "endpoint")}}},
			{"Answers", "Bps", []line{{"{{endpoint}}", rate("api_response_bytes_total{}", "endpoint")}}},
			{"Bodies of requests", "Bps", []line{{"{{endpoint}}", rate("api_request_bytes_total{}", "endpoint")}}},
			{"Answers that were cut off", "reqps", []line{{"{{endpoint}}", rate("api_responses_cut_total{}", "endpoint")}}},
		}},
		{"Data tier", []graph{
			{"Statements", "ops", []line{{"{{backend}} {{endpoint}}", rate("sluice_sql_duration_seconds_count{}", "backend, endpoint")}}},
			{"Duration of statements, 99 of 100", "s", []line{{"{{backend}} {{endpoint}}", quantile("0.99", "sluice_sql_duration_seconds", "backend, endpoint")}}},
			{"Connections in use", "short", []line{{"{{backend}} {{shard}} {{server}}", "sum by (backend, shard, server) (sluice_sql_connections_in_use{})"},
				{"at most, {{backend}} {{shard}} {{server}}", "sum by (backend, shard, server) (sluice_sql_connections_max{})"}}},
			{"Requests that got no connection", "reqps", []line{{"{{backend}} {{shard}} {{server}}", rate("sluice_sql_exhausted_total{}", "backend, shard, server")}}},
			{"Reads that share a line, in one batch", "short", []line{{"{{backend}} {{shard}} {{server}}",
				rate("sluice_sql_line_reads_total{}", "backend, shard, server") + " / " + rate("sluice_sql_line_batches_total{}", "backend, shard, server")}}},
			{"Reads that left their line", "ops", []line{{"{{backend}} {{shard}} {{reason}}", rate("sluice_sql_line_detours_total{}", "backend, shard, reason")},
				{"{{backend}} {{shard}} off", rate("sluice_sql_line_off_total{}", "backend, shard")}}},
			{"Where reads go", "ops", []line{{"{{backend}} {{shard}} {{target}}", rate("sluice_sql_reads_total{}", "backend, shard, target")}}},
			{"Replicas behind", "s", []line{{"{{backend}} {{shard}} {{server}}", "max by (backend, shard, server) (sluice_sql_replica_lag_seconds{})"}}},
			{"Primaries", "short", []line{{"{{backend}} {{shard}} {{server}}", "max by (backend, shard, server) (sluice_sql_server_primary{})"}}},
			{"Other services, 99 of 100", "s", []line{{"{{backend}}", quantile("0.99", "sluice_http_duration_seconds", "backend")}}},
			{"Redis, 99 of 100", "s", []line{{"{{instance}}", quantile("0.99", "sluice_redis_duration_seconds", "instance")}}},
		}},
		{"Jobs", []graph{
			{"Jobs", "short", []line{{"ready, {{endpoint}}", "max by (endpoint) (sluice_jobs_ready{})"}, {"running, {{endpoint}}", "max by (endpoint) (sluice_jobs_running{})"},
				{"dead, {{endpoint}}", "max by (endpoint) (sluice_jobs_dead{})"}}},
			{"Age of the oldest that is ready", "s", []line{{"{{endpoint}}", "max by (endpoint) (sluice_jobs_oldest_ready_seconds{})"}}},
			{"Attempts", "ops", []line{{"{{endpoint}} {{outcome}}", rate("sluice_job_attempts_total{}", "endpoint, outcome")}}},
			{"Time until an attempt, 99 of 100", "s", []line{{"{{endpoint}}", quantile("0.99", "sluice_job_wait_seconds", "endpoint")}}},
			{"Time of attempts, 99 of 100", "s", []line{{"{{endpoint}}", quantile("0.99", "sluice_job_run_seconds", "endpoint")}}},
			{"Leases that ran out", "ops", []line{{"{{instance}}", rate("sluice_job_leases_expired_total{}", "instance")}}},
		}},
		{"Limits and cache", []graph{
			{"Limits", "reqps", []line{{"{{policy}} {{result}}", rate("sluice_rate_limit_requests_total{}", "policy, result")}}},
			{"Decided without counters", "reqps", []line{{"{{policy}}", rate("sluice_rate_limit_store_failures_total{}", "policy")}}},
			{"Redis can be reached", "short", []line{{"{{instance}}", "sluice_redis_up{}"}}},
			{"Where cached answers come from", "reqps", []line{{"{{endpoint}} {{result}}", rate("sluice_cache_requests_total{}", "endpoint, result")}}},
			{"Memory of caches", "bytes", []line{{"{{instance}}", "sum by (instance) (sluice_cache_bytes{})"}}},
			{"Answers dropped for want of room", "ops", []line{{"{{endpoint}}", rate("sluice_cache_evictions_total{}", "endpoint")}}},
		}},
	}
}
