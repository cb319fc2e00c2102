.DEFAULT_GOAL := help
.PHONY: setup demo test long lint bench up down clean help

BIN := .venv/bin

setup: ## Set up what is missing: packages, .venv, Kafka's jars (安装所缺的一切)
	@bash deploy/setup/setup.sh

demo: setup ## Show the main job on real data, in under two minutes (用真实数据演示主要流程)
	@$(BIN)/exchange demo

test: setup ## Run the tests, with a real broker and a real PostgreSQL (运行测试)
	@$(BIN)/python -m pytest tests -m "not long" -n 2 --dist loadfile --no-loadscope-reorder

long: setup ## Run the longest tests: fuzzing, permission matrix, state machine (运行耗时较长的测试)
	@$(BIN)/python -m pytest tests -m long -n 2 --dist loadfile

lint: setup ## Check style and types (检查代码风格与类型)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: setup ## Measure throughput and latency (测量吞吐与时延)
	@$(BIN)/python -m tests.bench

up: setup ## Start a node here: broker and registry (启动本机交换节点)
	@$(BIN)/exchange up

down: setup ## Stop the node (停止本机交换节点)
	@$(BIN)/exchange down

clean: ## Remove what was built; data in var/ stays (清除生成物，保留 var/ 中的数据)
	@rm -rf build .venv *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

help: ## Show this help (显示本帮助)
	@grep -hE '^[a-z]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  %-7s %s\n", $$1, $$2}'
