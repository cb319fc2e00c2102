.DEFAULT_GOAL := help
.PHONY: setup prometheus demo test long proofs lint bench villages soak up down clean help

BIN := .venv/bin

setup: ## Set up what is missing: packages, .venv, Kafka's jars (安装所缺的一切)
	@bash deploy/setup/setup.sh

prometheus: setup ## Fetch Prometheus for the tests (获取测试所用的 Prometheus)
	@bash deploy/setup/prometheus.sh

demo: setup ## Show the main job on real data, in under two minutes (用真实数据演示主要流程)
	@$(BIN)/exchange demo

test: prometheus ## Run the tests, with a real broker, PostgreSQL and MariaDB (运行测试)
	@$(BIN)/python -m pytest tests -m "not long and not proof" -n 4 --dist loadfile --no-loadscope-reorder

proofs: prometheus ## Every question to the API, every alert, seeded faults, a restored backup, PostgreSQL below the registry (接口穷举、告警、故障注入、备份恢复)
	@$(BIN)/python -m pytest tests -m proof -n 4 --dist loadfile --no-loadscope-reorder

long: prometheus ## Run the longest tests too: bad input, crashes, reconciliation (运行耗时较长的测试：错误输入、崩溃、对账)
	@$(BIN)/python -m pytest tests -m long -n 4 --dist loadfile --no-loadscope-reorder

lint: setup ## Check style and types (检查代码风格与类型)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: setup ## Measure throughput and latency (测量吞吐与时延)
	@$(BIN)/python -m tests.bench

villages: setup ## Carry FILE (villages.csv.gz, see README) from CSV into PostgreSQL and compare digests (全国村级数据比对)
	@$(BIN)/python -m tests.acceptance.villages "$(FILE)"

soak: setup ## Kill adapters, broker and databases 100 times over 1,000,000 rows, and compare (长时间强制终止测试)
	@$(BIN)/python -m tests.acceptance.soak

up: setup ## Start a node here: broker and registry (启动本机交换节点)
	@$(BIN)/exchange up

down: setup ## Stop the node (停止本机交换节点)
	@$(BIN)/exchange down

clean: ## Remove what was built; data in var/ stays (清除生成物，保留 var/ 中的数据)
	@rm -rf build .venv *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

help: ## Show this help (显示本帮助)
	@grep -hE '^[a-z]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  %-11s %s\n", $$1, $$2}'
