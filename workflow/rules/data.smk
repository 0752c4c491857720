# Raw UK Biobank files to balanced training subsets.


rule simulate_cohort:
    """Write a synthetic cohort in UK Biobank's file formats (demo only)."""
    output:
        tabular="<results>/simulate_cohort/tabular.csv",
        withdrawn="<results>/simulate_cohort/withdrawn.csv",
        truth="<results>/simulate_cohort/truth.parquet",
        files="<results>/simulate_cohort/files.txt",
    log:
        "<results>/logs/simulate_cohort.log",
    conda:
        ENVIRONMENT
    threads: THREADS.simulate_cohort
    resources:
        **needs("cohort"),
    params:
        code=code("simulate_cohort"),
        settings=settings("simulate_cohort"),
        raw=f"{RESULTS}/simulate_cohort/raw",
    shell:
        "python -m cmr2ecg.steps.simulate_cohort --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --raw {params.raw:q} --tabular {output.tabular:q} --withdrawn {output.withdrawn:q}"
        " --truth {output.truth:q} --files {output.files:q}"


rule index_shard:
    """Find each subject's earliest imaging visit that has both an ECG and a CMR file, for one shard."""
    input:
        simulated="<results>/simulate_cohort/files.txt" if SIMULATED else [],
        withdrawn=RAW["withdrawn"] if SIMULATED else [],
        excluded=lambda wildcards: RAW["excluded"] if SIMULATED else [],
    output:
        visits="<results>/index_shard/{shard}.parquet",
        flow="<results>/index_shard/{shard}.flow.csv",
        unpaired=(f"<results>/index_shard/{{shard}}{UNPAIRED}.parquet" if WITH_UNPAIRED else []),
    log:
        "<results>/logs/index_shard/{shard}.log",
    wildcard_constraints:
        shard=r"\d+",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("shard", len(SHARDS)),
    params:
        code=code("index_shard"),
        settings=settings("index_cohort"),
        shards=SETTINGS.shards,
        ledger=RAW_FILES.ledger_file,
        raw=RAW_FILES.options_file,
        files=lambda wildcards: RAW_FILES.names_digest(wildcards.shard),
    shell:
        "python -m cmr2ecg.steps.index_shard --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --shard {wildcards.shard} --shards {params.shards} --ledger {params.ledger:q}"
        " @{params.raw:q} --names --visits {output.visits:q} --flow {output.flow:q}"
        + (" --unpaired {output.unpaired:q}" if WITH_UNPAIRED else "")


rule index_cohort:
    """Join the shards' visits and counts."""
    input:
        visits=shard_files("index_shard", SHARDS, ".parquet"),
        flow=shard_files("index_shard", SHARDS, ".flow.csv"),
    output:
        visits="<results>/index_cohort/visits.parquet",
        flow="<results>/index_cohort/flow.csv",
    log:
        "<results>/logs/index_cohort.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("cohort"),
    params:
        code=code("index_cohort"),
    shell:
        "python -m cmr2ecg.steps.index_cohort --threads {threads} --log {log:q}"
        " --shard-visits {input.visits:q} --shard-flow {input.flow:q}"
        " --visits {output.visits:q} --flow {output.flow:q}"


rule clean_ecg:
    """Clean the ECGs of one shard: clamp, remove baseline wander, normalise the lead groups (§IV-A)."""
    input:
        visits="<results>/index_shard/{shard}.parquet",
    output:
        ecg="<results>/clean_ecg/{shard}.h5",
        qc="<results>/clean_ecg/{shard}.qc.csv",
    log:
        "<results>/logs/clean_ecg/{shard}.log",
    wildcard_constraints:
        shard=rf"\d+({re.escape(UNPAIRED)})?",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("shard", len(SHARDS), unpaired=WITH_UNPAIRED),
    params:
        code=code("clean_ecg"),
        settings=settings("clean_ecg"),
        raw=RAW_FILES.options_file,
        files=lambda wildcards: RAW_FILES.ecg_digest(wildcards.shard),
    shell:
        "python -m cmr2ecg.steps.clean_ecg --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --visits {input.visits:q} --raw {params.raw:q} --output {output.ecg:q} --qc {output.qc:q}"


rule crop_cmr:
    """Take end-systole, end-diastole and mid-phase of the middle slice and crop the heart, for one shard (§IV-A)."""
    input:
        visits="<results>/index_shard/{shard}.parquet",
    output:
        cmr="<results>/crop_cmr/{shard}.h5",
        qc="<results>/crop_cmr/{shard}.qc.csv",
    log:
        "<results>/logs/crop_cmr/{shard}.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("shard", len(SHARDS)),
    params:
        code=code("crop_cmr"),
        settings=settings("crop_cmr"),
        raw=RAW_FILES.options_file,
        files=lambda wildcards: RAW_FILES.cmr_digest(wildcards.shard),
        boxes=RAW_FILES.tables_digest("boxes"),
    shell:
        "python -m cmr2ecg.steps.crop_cmr --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --visits {input.visits:q} --raw {params.raw:q} --output {output.cmr:q} --qc {output.qc:q}"


rule read_tabular:
    """Read the indexed subjects' covariates, ICD-10 labels with dates, and 61 CMR phenotypes (§IV-B)."""
    input:
        tabular=lambda wildcards: RAW["tabular"] if SIMULATED else [],
        visits="<results>/index_cohort/visits.parquet",
    output:
        covariates="<results>/read_tabular/covariates.parquet",
        labels="<results>/read_tabular/labels.parquet",
        dates="<results>/read_tabular/dates.parquet",
        phenotypes="<results>/read_tabular/phenotypes.parquet",
    log:
        "<results>/logs/read_tabular.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("cohort"),
    params:
        code=code("read_tabular"),
        settings=settings("read_tabular"),
        raw=RAW_FILES.options_file,
        files=RAW_FILES.tables_digest("tabular"),
    shell:
        "python -m cmr2ecg.steps.read_tabular --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --raw {params.raw:q} --tabular {input.tabular:q} --visits {input.visits:q} --covariates {output.covariates:q}"
        " --labels {output.labels:q} --dates {output.dates:q} --phenotypes {output.phenotypes:q}"


rule assemble_dataset:
    """Pair the ECGs and images that passed quality control and count every exclusion."""
    input:
        flow="<results>/index_cohort/flow.csv",
        ecg=shard_files("clean_ecg", SHARDS, ".h5"),
        ecg_qc=shard_files("clean_ecg", SHARDS, ".qc.csv"),
        cmr=shard_files("crop_cmr", SHARDS, ".h5") if WITH_CMR else [],
        cmr_qc=shard_files("crop_cmr", SHARDS, ".qc.csv") if WITH_CMR else [],
        labels="<results>/read_tabular/labels.parquet",
        unpaired_ecg=(shard_files("clean_ecg", SHARDS, f"{UNPAIRED}.h5") if WITH_UNPAIRED else []),
        unpaired_qc=(shard_files("clean_ecg", SHARDS, f"{UNPAIRED}.qc.csv") if WITH_UNPAIRED else []),
    output:
        dataset="<results>/assemble_dataset/dataset.h5",
        flow="<results>/assemble_dataset/flow.csv",
        unpaired=UNPAIRED_ECGS,
    log:
        "<results>/logs/assemble_dataset.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("cohort"),
    params:
        code=code("assemble_dataset"),
    shell:
        "python -m cmr2ecg.steps.assemble_dataset --threads {threads} --log {log:q}"
        " --index-flow {input.flow:q} --ecg {input.ecg:q} --ecg-qc {input.ecg_qc:q}"
        " --cmr {input.cmr:q} --cmr-qc {input.cmr_qc:q} --labels {input.labels:q}"
        " --output {output.dataset:q} --flow {output.flow:q}"
        + (
            " --unpaired-ecg {input.unpaired_ecg:q} --unpaired-qc {input.unpaired_qc:q} --unpaired {output.unpaired:q}"
            if WITH_UNPAIRED
            else ""
        )


rule split_subjects:
    """Split the subjects into train, val and test, stratified on the joint labels (§IV-A)."""
    input:
        dataset="<results>/assemble_dataset/dataset.h5",
        labels=LABELS,
        visits=VISITS,
    output:
        "<results>/split_subjects/split.csv",
    log:
        "<results>/logs/split_subjects.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("cohort"),
    params:
        code=code("split_subjects"),
        settings=settings("split_subjects"),
    shell:
        "python -m cmr2ecg.steps.split_subjects --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --labels {input.labels:q} --visits {input.visits:q} --output {output:q}"


rule balance_subset:
    """Take a share of the positives of the train split and as many negatives, nested over the shares (§IV-B, §V-D).

    Of a group of phenotypes a share of the subjects who have one.
    """
    input:
        split="<results>/split_subjects/split.csv",
        values=lambda wildcards: fit_jobs.values_file(wildcards.target),
    output:
        "<results>/balance_subset/{target}_{fraction}.csv",
    log:
        "<results>/logs/balance_subset/{target}_{fraction}.log",
    priority: 100
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("small"),
    params:
        code=code("balance_subset"),
        settings=lambda wildcards: sections.balance_settings(SETTINGS, int(wildcards.fraction)),
    shell:
        "python -m cmr2ecg.steps.balance_subset --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --split {input.split:q} --values {input.values:q}"
        " --target {wildcards.target} --fraction {wildcards.fraction} --output {output:q}"


rule audit_leakage:
    """Stop before any training if a subject, a repeat visit or a recording crosses the splits."""
    input:
        dataset=DATASET,
        split=SPLIT,
        labels="<results>/read_tabular/labels.parquet",
        visits="<results>/index_cohort/visits.parquet",
        unpaired=UNPAIRED_ECGS,
    output:
        audit=AUDIT,
        unpaired=UNPAIRED_AUDIT,
    log:
        "<results>/logs/audit_leakage.log",
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("cohort"),
    params:
        code=code("audit_leakage"),
        settings=settings("audit_leakage"),
        duplicates=f"{RESULTS}/audit_leakage/duplicates.csv",
    shell:
        "python -m cmr2ecg.steps.audit_leakage --settings {params.settings:q} --threads {threads} --log {log:q}"
        " --dataset {input.dataset:q} --split {input.split:q} --labels {input.labels:q} --visits {input.visits:q}"
        " --output {output.audit:q} --duplicates {params.duplicates:q}"
        + AND_UNPAIRED
        + (" --unpaired-output {output.unpaired:q}" if WITH_UNPAIRED else "")


rule audit_subsets:
    """Stop the run if a target's subsets are not nested, drawn from train alone and, of a disease, balanced.

    It goes before every training that is ready, and no score is computed without it. Trainings do not wait for it, or
    one fraction more would train all others anew.
    """
    input:
        split=SPLIT,
        values=lambda wildcards: fit_jobs.values_file(wildcards.target),
        subsets=lambda wildcards: fit_jobs.all_subsets(SETTINGS, wildcards.target),
    output:
        "<results>/audit_subsets/{target}.json",
    log:
        "<results>/logs/audit_subsets/{target}.log",
    priority: 100
    conda:
        ENVIRONMENT
    threads: THREADS.data
    resources:
        **needs("small"),
    params:
        code=code("audit_subsets"),
        balance=SETTINGS.balance_subset.balance,
    shell:
        "python -m cmr2ecg.steps.audit_subsets --balance {params.balance} --threads {threads} --log {log:q}"
        " --target {wildcards.target} --split {input.split:q} --values {input.values:q} --subsets {input.subsets:q}"
        " --output {output:q}"
