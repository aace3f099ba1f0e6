import pytest

# Their asserts say what they compared, as those of a test do.
pytest.register_assert_rewrite("scenes", "planner_conformance", "policy_conformance", "suite_conformance")
