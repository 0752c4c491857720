# Before the first job, after the last, and when one failed; Snakemake calls these in the main process only.

from snakemake.settings.enums import Quietness

from cmr2ecg.cohort.arrivals import write_ledger
from cmr2ecg.study.named_subjects import write_named
from cmr2ecg.runtime.files import atomic
from cmr2ecg.runtime.leftovers import (
    check_writable,
    remove_partials,
    remove_resume_points,
)
from cmr2ecg.runtime.orphan import VARIABLE, this_process
from cmr2ecg.runtime.summary import summary

DATABASE = f"{RESULTS}/mlflow.db"

os.environ[VARIABLE] = this_process()  # jobs end when this process is killed


onstart:
    try:
        check_writable(Path(RESULTS))
    except PermissionError as error:
        raise WorkflowError(str(error)) from None
    remove_partials(Path(RESULTS))
    write_ledger(RAW_FILES.ledger_file, RAW_FILES.ledger)
    if not SETTINGS.raw.unlabelled:
        Path(RAW_FILES.unlabelled_file).unlink(missing_ok=True)  # of a run that had some
    for name, content in RAW_FILES.tables().items():
        with atomic(Path(name)) as path:
            path.write_text(content, encoding="utf-8")
    with atomic(Path(RAW_FILES.options_file)) as path:
        path.write_text(RAW_FILES.options(), encoding="utf-8")
    for line in RAW_FILES.notes():
        print(f"warning: {line}", file=sys.stderr)
    if NAMED_EIDS:
        write_named(NAMED, NAMED_EIDS, NAMED_VERSION)


onsuccess:
    remove_partials(Path(RESULTS), ended=True)
    remove_resume_points(Path(RESULTS))
    if Quietness.ALL not in (workflow.output_settings.quiet or ()):
        for line in summary(Path(RESULTS), workflow.overwrite_configfiles, DATABASE):
            print(line, file=sys.stderr)


onerror:
    print(
        "A job failed. The line 'error:' above, or at the end of the log that is named there, says what to mend; a job that"
        " was killed says nothing. Then give the same command again: finished jobs, seeds, trials and epochs are kept.",
        file=sys.stderr,
    )
