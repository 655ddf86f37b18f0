"""Writes the picture in the README anew: what ``cloud-sandbox demo`` prints now."""

import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).parents[3] / "README.md"


def main():
    command = [sys.executable, "-m", "cloudprovider_sandbox.main", "--no-color", "demo"]
    ended = subprocess.run(
        [*command, "--cloud-provider=alicloud"], capture_output=True, text=True, check=True
    )
    README.write_text(with_output(README.read_text(), ended.stdout))


def with_output(readme, output):
    """``readme`` with ``output`` between its markers; the lines before the first step left out."""
    lines = [line.rstrip() for line in output[output.index("\n1. ") + 1 :].splitlines()]
    picture = "\n".join(["```text", "$ make demo", "…", "", *lines, "```"])
    pattern = r"(<!-- demo output: begin -->\n).*?(<!-- demo output: end -->)"
    return re.sub(pattern, lambda match: f"{match[1]}{picture}\n{match[2]}", readme, flags=re.S)


if __name__ == "__main__":
    main()
