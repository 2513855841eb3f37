"""The whole road in miniature: a configuration is trained, stopped, resumed, exported and used on a real spectrum."""

import json
import re
from pathlib import Path

import pytest
from safetensors.torch import load_file

import xspecnf
from xspecnf.bundle import load_bundle
from xspecnf.lock import alone
from xspecnf.response import Response
from xspecnf_export import export
from xspecnf_train.evaluate import Sizes, evaluate
from xspecnf_train.real import RealFiles
from xspecnf_train.run import train

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "train" / "xspecnf_train" / "configs"
EXAMPLES = ROOT / "examples" / "maxi_j1820"


SHORT = {"threads": 1, "pool": 1500, "epochs": 2, "steps": 2, "batch": 16, "labels": 8}
SMALL = SHORT | {"transforms": 2, "hidden_features": 16}


def miniature(name: str, folder: Path, settings: dict[str, int] = SMALL) -> Path:
    """A committed configuration with its own networks' kinds, cut down to seconds."""
    text = (CONFIGS / f"{name}.toml").read_text().replace("../../../examples", str(ROOT / "examples"))
    for key, value in settings.items():
        text = re.sub(rf"(?m)^{key} = \d+", f"{key} = {value}", text)
    text = re.sub(r"(?m)^restarts = .*", "", text)  # they lie beyond the few epochs that are left
    path = folder / f"{name}.toml"
    path.write_text(text)
    if start := re.search(r'(?m)^start = "(.*)\.toml"', text):
        miniature(start[1], folder)
    return path


STAGES = {"nicer-bhb": ["polish", "real"], "paper": ["rate", "decoder", "joint", "real"]}
BEFORE = {"nicer-bhb": ["rate", "decoder", "flow", "joint"], "paper": []}
"""Stages that the run it begins with went through in its place."""


@pytest.fixture(scope="module", params=list(STAGES))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    return train(miniature(request.param, folder), folder / "run", real=RealFiles(EXAMPLES), report=lambda _: None)


def test_a_run_leaves_what_the_export_reads(run: Path) -> None:
    name = run.parent.name.rstrip("0123456789")
    assert {"config.toml", "response.npz", "weights.safetensors", "provenance.json"} <= {p.name for p in run.iterdir()}
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["stages"] == BEFORE[name] + STAGES[name]
    assert provenance["simulated_spectra_seen"] > 0
    epochs = [entry["stage"] for entry in json.loads((run / "curve.json").read_text())]
    assert epochs == [stage for stage in STAGES[name] for _ in range(SMALL["epochs"])]


def test_a_new_flow_begins_with_what_the_other_run_learnt(tmp_path: Path) -> None:
    config = miniature("nicer-bhb-flow", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", report=_stop_at("flow 2/2"))
    before = load_file(tmp_path / "run" / "start" / "weights.safetensors")
    now = load_file(tmp_path / "run" / "checkpoint.safetensors")
    shared = [name for name in before if name.startswith(("encoder.", "decoder.", "flow.rate."))]
    assert shared
    assert all((now[f"networks.{name}"] == before[name]).all() for name in shared)
    train(config, tmp_path / "run", report=lambda _: None)
    after = load_file(tmp_path / "run" / "weights.safetensors")
    learnt = {name.split(".")[0] for name in shared if (after[name] != before[name]).any()}
    assert learnt == {"encoder"}
    seen = [_seen(folder) for folder in (tmp_path / "run" / "start", tmp_path / "run")]
    assert seen[1] == seen[0] + (2 + 2 + 2) * 2 * 16  # epochs of flow, joint and polish stage, steps, batch


def test_polishing_begins_with_all_that_the_other_run_learnt(tmp_path: Path) -> None:
    """In four steps, which are short, no weight goes far from where it was."""
    run = train(miniature("nicer-bhb", tmp_path), tmp_path / "run", report=lambda _: None)
    before, now = (load_file(folder / "weights.safetensors") for folder in (run / "start", run))
    assert {name.split(".")[0] for name in before if (now[name] != before[name]).any()} == {"encoder", "flow"}
    assert all(abs(now[name] - before[name]).max() < 0.01 for name in before)
    assert _seen(run) == _seen(run / "start") + 2 * 2 * 16


def test_a_start_of_other_sizes_is_refused(tmp_path: Path) -> None:
    config = miniature("nicer-bhb", tmp_path)
    config.write_text(config.read_text().replace("width = 384", "width = 32"))
    with pytest.raises(xspecnf.XspecnfError, match="start: its networks are of other sizes"):
        train(config, tmp_path / "run", report=lambda _: None)


def test_the_bundle_answers_for_a_real_spectrum(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xspecnf_export.novelty.SAMPLE", 100)  # seconds at full size
    monkeypatch.setattr("xspecnf_export.novelty.FURTHER", 50)
    monkeypatch.setattr("xspecnf_export.coreml.CHECKED", (10, 20))
    paper = run.parent.name.startswith("paper")  # its networks convert to CoreML; seconds, so the other's are left out
    model = xspecnf.load_model(export(run, tmp_path / "bundle", coreml=paper))
    obs = xspecnf.read_observation(EXAMPLES / "1200120106.pha")
    first, again = (model.infer(obs, samples=50, seed=3) for _ in range(2))
    assert (first.theta == again.theta).all()
    assert first.diagnostics.novelty == again.diagnostics.novelty is not None
    figures = evaluate(model, Sizes(25, samples=20, exact=10, refined=0), report=lambda _: None, real=[obs])
    assert figures["network"]["all"]["spectra"] == 25
    assert figures["network"]["all"]["pgstat"]["truth"]["mean"] == pytest.approx(1, abs=0.5)
    assert figures["real"]["network"]["all"]["spectra"] == 1


def test_a_killed_run_ends_where_an_undisturbed_one_does(tmp_path: Path) -> None:
    config = miniature("nicer-bhb-encoder", tmp_path)
    whole = train(config, tmp_path / "whole", report=lambda _: None)
    stopped = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        train(config, stopped, report=_stop_at("joint 1/2"))
    train(config, stopped, report=lambda _: None)
    expected, found = (load_file(folder / "weights.safetensors") for folder in (whole, stopped))
    assert all((expected[key] == found[key]).all() for key in expected)


def test_another_configuration_cannot_take_over_a_run(tmp_path: Path) -> None:
    config = miniature("nicer-bhb-encoder", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", report=_stop_at("rate 1/2"))
    config.write_text(config.read_text().replace("seed = ", "seed = 1").replace("threads = 1", "threads = 2"))
    with pytest.raises(xspecnf.XspecnfError, match=r"another configuration .* differs in seed;"):
        train(config, tmp_path / "run", report=lambda _: None)


def test_stage_three_is_added_to_a_finished_run_and_then_fixed(tmp_path: Path) -> None:
    config, run = miniature("nicer-bhb", tmp_path), tmp_path / "run"
    train(config, run, report=lambda _: None)
    config.write_text(config.read_text().replace('label = "posterior"', 'label = "fit"'))
    reports: list[str] = []
    train(config, run, real=RealFiles(EXAMPLES), report=reports.append)
    assert json.loads((run / "provenance.json").read_text())["real_spectra"] == EXAMPLES.name
    assert not any(report.startswith("joint") for report in reports)
    assert [report.split()[1] for report in reports if report.startswith("real")] == ["0/2", "1/2", "2/2"]
    with pytest.raises(xspecnf.XspecnfError, match="stage three; give its spectra again"):
        train(config, run, report=lambda _: None)
    config.write_text(config.read_text().replace('label = "fit"', 'label = "posterior"'))
    with pytest.raises(xspecnf.XspecnfError, match=r"another configuration .* differs in real_stage;"):
        train(config, run, real=RealFiles(EXAMPLES), report=lambda _: None)


def test_stage_three_begins_with_the_shipped_bundle(tmp_path: Path) -> None:
    """Without its instrument's files, whose response is the bundle's."""
    config, run = miniature("nicer-bhb", tmp_path, SHORT), tmp_path / "run"
    text = config.read_text().replace(str(ROOT), "/nowhere")
    (whole,) = re.findall(r"\[polish_stage\][^\[]*", (CONFIGS / "nicer-bhb.toml").read_text())
    config.write_text(re.sub(r"\[polish_stage\][^\[]*", whole, text))
    train(config, run, report=lambda _: None, start="nicer-bhb")
    shipped, begun = load_file(load_bundle("nicer-bhb").weights()), load_file(run / "weights.safetensors")
    assert all((shipped[name] == begun[name]).all() for name in shipped)
    reports: list[str] = []
    train(config, run, real=RealFiles(EXAMPLES), report=reports.append, start="nicer-bhb")
    assert [report.split()[:2] for report in reports if "/2 " in report] == [["real", f"{k}/2"] for k in range(3)]
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["start"] == f"nicer-bhb {load_bundle('nicer-bhb').version}"
    assert provenance["stages"] == ["rate", "decoder", "flow", "joint", "polish", "real"]
    assert provenance["simulated_spectra_seen"] > load_bundle("nicer-bhb").provenance["simulated_spectra_seen"]


def test_a_new_start_takes_the_instrument_anew(tmp_path: Path) -> None:
    """Even in the folder of a run that had another."""
    config, run = miniature("nicer-bhb", tmp_path, SHORT | {"epochs": 1, "steps": 1}), tmp_path / "run"
    run.mkdir()
    (run / "response.npz").write_bytes(b"of another instrument")
    train(config, run, resume=False, report=lambda _: None, start="nicer-bhb")
    assert (Response.load(run / "response.npz").matrix == load_bundle("nicer-bhb").reference_response.matrix).all()


def test_another_polish_is_gone_through_again(tmp_path: Path) -> None:
    config = miniature("nicer-bhb", tmp_path, SHORT)
    reports: list[str] = []
    train(config, tmp_path / "run", report=reports.append, start="nicer-bhb")
    assert [report.split()[:2] for report in reports if "/2 " in report] == [["polish", f"{k}/2"] for k in range(3)]


def test_a_bundle_of_other_networks_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(xspecnf.XspecnfError, match="its encoder is not the configuration's"):
        train(miniature("paper", tmp_path), tmp_path / "run", report=lambda _: None, start="nicer-bhb")


def test_a_run_that_is_under_way_does_not_begin_again(tmp_path: Path) -> None:
    config = miniature("nicer-bhb-encoder", tmp_path)
    train(config, tmp_path / "run", report=lambda _: None)
    with pytest.raises(xspecnf.XspecnfError, match=r"run that did not begin with nicer-bhb"):
        train(config, tmp_path / "run", report=lambda _: None, start="nicer-bhb")


def test_polishing_is_added_to_a_finished_run_and_then_fixed(tmp_path: Path) -> None:
    config, run = miniature("nicer-bhb-encoder", tmp_path), tmp_path / "run"
    train(config, run, report=lambda _: None)
    joint = re.search(r"\[joint_stage\][^\[]*", config.read_text())
    assert joint
    polish = joint[0].replace("joint", "polish")
    config.write_text(config.read_text() + polish)
    reports: list[str] = []
    train(config, run, report=reports.append)
    assert [report.split()[:2] for report in reports[1:]] == [["polish", epoch] for epoch in ("0/2", "1/2", "2/2")]
    config.write_text(config.read_text().replace(polish, ""))
    with pytest.raises(xspecnf.XspecnfError, match=r"another configuration .* differs in polish_stage;"):
        train(config, run, report=lambda _: None)


def test_real_spectra_need_their_stage_in_the_configuration(tmp_path: Path) -> None:
    config = miniature("nicer-bhb", tmp_path)
    config.write_text(config.read_text().partition("[real_stage]")[0])
    with pytest.raises(xspecnf.XspecnfError, match=r"nicer-bhb\.toml: has no table \[real_stage\]"):
        train(config, tmp_path / "run", real=RealFiles(EXAMPLES))


def test_one_training_at_a_time_writes_a_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / ".training").mkdir(parents=True)
    with alone(run / ".training"), pytest.raises(xspecnf.XspecnfError, match="another training is writing it"):
        train(miniature("nicer-bhb-encoder", tmp_path), run, report=lambda _: None)


def _seen(run: Path) -> int:
    return json.loads((run / "provenance.json").read_text())["simulated_spectra_seen"]


def _stop_at(message: str):
    def report(text: str) -> None:
        if text.startswith(message):
            raise KeyboardInterrupt

    return report
