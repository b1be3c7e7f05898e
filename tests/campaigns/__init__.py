"""Campaigns: things happen, the exporter is killed at events, CircleCI fails; at last what it shows is the truth.

A campaign is a world on `frame.Campaign`. It says what there is before the first look (`begin`, `begun`), what happens
again and again (`some`), how answers fail (`let_it_fail`), how all comes to an end (`let_all_end`), what is true then
(`truth`, or `differences` where more than counters is compared), and when CircleCI was asked about all of it once more
(`swept_again`). A test is then, for example:

    with RunCampaign(tmp_path, seed=4) as campaign:
        campaign.produce(every=0.1)
        campaign.kill_often(7)  # or campaign.kill_at(Asked(RUNS, after=3)), campaign.wait_for(...)
        campaign.end()  # compares, and what the reader has seen must be in order

`samples` are what is shown and what is true, in one form. `reader` sees every scrape: no counter falls, is gone, or is
born above 0; also where the exporter is an engine in this process. `events` are the moments at which something is done;
nothing is ever done after so many seconds. `promql` compares what a real Prometheus has made of it.

The long forms have the marker `long` and belong to `make test-long`; `effort` lengthens others there.
"""
