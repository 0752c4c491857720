"""Long loops say where they are: plain lines, not too many, and always the last."""

import logging

from cmr2ecg.runtime.progress import Progress


def test_lines_are_rare_and_end_with_the_last(caplog):
    with caplog.at_level(logging.INFO):
        progress = Progress("clean_ecg 3", 50, every=1000.0)
        for _ in range(50):
            progress.step(accepted=7)
        progress.close()
    first, last = [record.getMessage() for record in caplog.records]
    assert first.startswith("clean_ecg 3 1/50") and last == "clean_ecg 3 50/50, about 0 s left: accepted 7"


def test_a_resumed_loop_counts_on(caplog):
    with caplog.at_level(logging.INFO):
        progress = Progress("pretrain_mae", 4, done=3, every=0.0)
        progress.step()
    assert caplog.records[-1].getMessage() == "pretrain_mae 4/4, about 0 s left"


def test_on_a_terminal_a_bar_is_drawn_and_the_log_file_gets_lines(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    handler = logging.FileHandler(tmp_path / "x.log")
    root = logging.getLogger()
    root.addHandler(handler)
    progress = Progress("mae", 2)
    progress.step(loss=0.5)
    progress.step(loss=0.25)
    progress.close()
    root.removeHandler(handler)
    handler.close()
    assert "mae 2/2, about 0 s left: loss 0.25" in (tmp_path / "x.log").read_text()
    assert "100%" in capsys.readouterr().err
