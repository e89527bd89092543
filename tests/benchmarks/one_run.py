"""One run of the service: `python -m tests.benchmarks.one_run ID ENVIRONMENT`."""

import sys

from flows.user_page_views import user_page_views

if __name__ == "__main__":
    user_page_views(id=sys.argv[1], environment=sys.argv[2])
