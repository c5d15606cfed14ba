# Only names for what manage.py does; make itself is not needed.
.PHONY: up test verify status format

up:
	python3 manage.py up

test:
	python3 manage.py test

verify:
	python3 manage.py verify

status:
	python3 manage.py status

format:
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
