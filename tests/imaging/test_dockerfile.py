from __future__ import annotations

from pathlib import Path

import pytest

from fargate_batch.errors import UserError
from imaging import contents, dockerfile
from imaging.dockerfile import Added

PROJECT = Path(__file__).parents[2]
ARGUMENTS = {"BASE_IMAGE": "base:1", "STAGE": "data-ingestion"}


def interpret(tmp_path: Path, text: str) -> dockerfile.Recipe:
    path = tmp_path / "Dockerfile"
    path.write_text(text)
    return dockerfile.interpret(path, ARGUMENTS)


def test_the_project_s_dockerfile_can_be_followed_without_an_engine() -> None:
    recipe = dockerfile.interpret(PROJECT / "images/Dockerfile", ARGUMENTS)
    assert recipe.base == "base:1"
    assert recipe.added == [Added(name, "/", unpacks=True) for name in contents.NAMES]
    assert recipe.environment == {
        "PYTHONPATH": "/opt/batch/code:/opt/batch/site-packages",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/tmp",  # noqa: S108  # the volume inside the image
        "PREPARED": "/opt/batch/prepared",
        "STAGE": "data-ingestion",
    }
    assert recipe.prepares
    assert recipe.compiles
    assert recipe.user == "10001:10001"
    assert recipe.workdir == "/opt/batch/code"
    assert recipe.volumes == ["/tmp"]  # noqa: S108  # the volume inside the image
    assert recipe.entrypoint == ["python3", "-m", "batchkit"]
    assert recipe.command == ["work"]
    assert recipe.labels == {}


def test_arguments_defaults_quotes_and_variables_are_followed(tmp_path: Path) -> None:
    recipe = interpret(
        tmp_path,
        "ARG BASE_IMAGE\nFROM $BASE_IMAGE\nARG STAGE=other\nARG COLOUR=blue\n"
        "ENV A=1 B='$A' C=\"x y\"\nENV D=${C}-${COLOUR}\nENV E words of one\n"
        "LABEL stage=${STAGE} \\\n  # between\n  two=2\nVOLUME /tmp /data\nCOPY files/x /opt/x\n",
    )
    assert recipe.environment == {
        "A": "1",
        "B": "$A",
        "C": "x y",
        "D": "x y-blue",
        "E": "words of one",
    }
    assert recipe.labels == {"stage": "data-ingestion", "two": "2"}
    assert recipe.volumes == ["/tmp", "/data"]  # noqa: S108  # a volume inside an image
    assert recipe.added == [Added("files/x", "/opt/x", unpacks=False)]


def test_one_arg_may_declare_several_names(tmp_path: Path) -> None:
    recipe = interpret(tmp_path, 'FROM base\nARG STAGE COLOUR="dark blue"\nENV A=$STAGE-$COLOUR\n')
    assert recipe.environment == {"A": "data-ingestion-dark blue"}


def test_variables_are_followed_in_lists_of_paths_but_not_of_words(tmp_path: Path) -> None:
    recipe = interpret(
        tmp_path,
        'FROM base\nENV A=/a\nCOPY ["files/x y", "$A/x"]\nVOLUME ["$A"]\nENTRYPOINT ["$A"]\n',
    )
    assert recipe.added == [Added("files/x y", "/a/x", unpacks=False)]
    assert recipe.volumes == ["/a"]
    assert recipe.entrypoint == ["$A"]


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("FROM base\nENV PATH=/opt/x/bin:$PATH\n", "$PATH"),
        ('FROM base\nLABEL a="it\'s ${HOME}"\n', "$HOME"),
        ("FROM base\nCOPY files $WHERE\n", "$WHERE"),
        # What is declared before FROM does not hold after it.
        ("ARG STAGE\nFROM base\nENV NAME=[${STAGE}]\n", "$STAGE"),
        # Docker gives some of these a value of its own.
        ("FROM base\nARG TARGETARCH\nENV NAME=$TARGETARCH\n", "$TARGETARCH"),
    ],
)
def test_a_variable_that_the_base_image_may_set_is_refused(
    tmp_path: Path, text: str, variable: str
) -> None:
    with pytest.raises(UserError) as refused:
        interpret(tmp_path, text)
    assert f"no ARG or ENV above sets {variable}, and" in str(refused.value)
    assert "Start Docker or Podman, or write its value instead." in str(refused.value)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("RUN pip install polars", "RUN pip install polars needs a running container"),
        ('RUN ["python3", "-m", "batchkit"]', "needs a running container"),
        ("HEALTHCHECK CMD true", "HEALTHCHECK is not understood"),
        ("FROM other", "several stages"),
        ("COPY --from=other /a /b", "not one source and one destination"),
        ("COPY a b /c/", "not one source and one destination"),
        ("ADD https://example.com/x.tar /", "not one source and one destination"),
        ("COPY files relative", "relative is not an absolute path"),
        ("WORKDIR relative", "relative is not an absolute path"),
        ("CMD python3 -m batchkit", "shell form"),
        ('CMD ["unclosed"', "no JSON list"),
        ("ENV A=${B:-default}", "conditional substitution"),
    ],
)
def test_what_only_an_engine_can_do_is_refused_with_its_line(
    tmp_path: Path, line: str, reason: str
) -> None:
    with pytest.raises(UserError) as refused:
        interpret(tmp_path, f"FROM base\n{line}\n")
    assert f"{tmp_path}/Dockerfile:2: " in str(refused.value)
    assert reason in str(refused.value)
    assert "Start Docker or Podman" in str(refused.value)


def test_a_file_without_a_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no FROM"):
        interpret(tmp_path, "# nothing\n")
