package main

import "slices"

// all are the dashboards.
func all() []dashboard {
	return []dashboard{
		{
			file: "load-generator.json", uid: "coder-scaletest-generator", title: "Coder scale test: load generator",
			about:     "What the load generators do and measure, and how they are themselves.",
			variables: append([]Variable{metricsFrom}, generatorVariables...),
			rows:      []row{runRow, iterationsRow, actionsRow, trafficRow, connectionsRow, pagesRow, countedRow, generatorRow},
		},
		{
			file: "deployment.json", uid: "coder-scaletest-deployment", title: "Coder scale test: deployment",
			about:     "How coderd is, and what is around it: its database, provisioners, workspaces and agents.",
			variables: slices.Concat([]Variable{metricsFrom}, deploymentVariables, generatorVariables),
			rows: []row{
				resourcesRow, databaseRow, queriesRow, apiRow, buildsRow, workspacesRow, agentsRow, websocketsRow, internalsRow, logsRow,
			},
		},
		{
			file: "load-and-deployment.json", uid: "coder-scaletest-both", title: "Coder scale test: load and deployment",
			about:     "The load above, and below it what the deployment does about it, at the same time.",
			variables: slices.Concat([]Variable{metricsFrom}, generatorVariables, deploymentVariables),
			rows:      []row{loadRow, deploymentRow},
		},
	}
}

// The load above, the deployment below.
var (
	loadRow = row{title: "Load", panels: []panel{
		usersPanel, startedPanel,
		graph("Response time, p95", "From when an action was meant to start until it succeeded.", "s",
			quantiles(own+"action_seconds", `@scenario,phase="load"`, "scenario, action", "0.95")...),
		graph("Response time of all actions", "The percentiles of everything that was done in the load, by scenario.", "s",
			quantiles(own+"action_seconds", `@scenario,phase="load"`, "scenario", "0.5", "0.95", "0.99")...),
		errorsPanel, lagPanel,
	}}
	deploymentRow = row{title: "Deployment", panels: []panel{
		cpuPanel, memoryPanel, latencyPanel,
		graph("Database connections in use", "Of the pool of each replica: at its limit, requests wait.", "short",
			q("go_sql_in_use_connections{@coderd}", "{{pod}} {{db_name}} in use"), q("go_sql_max_open_connections{@coderd}", "{{pod}} {{db_name}} limit")),
		queryTimePanel, transactionsPanel, queuePanel, websocketsPanel, limitedPanel,
	}}
)
