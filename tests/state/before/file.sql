BEGIN TRANSACTION;
CREATE TABLE counter (
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        family TEXT NOT NULL,
        labels TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (project, family, labels)) WITHOUT ROWID;
INSERT INTO "counter" VALUES(2,'circleci_job_critical_path_seconds_total','["all tags","lint","run","build"]','{"value":88.0,"born":1789999100.0,"grown_at":1789999100.0,"held":null}
59e2a3e1');
INSERT INTO "counter" VALUES(2,'circleci_job_critical_path_seconds_total','["all tags","lint","wait","build"]','{"value":2.0,"born":1789999100.0,"grown_at":1789999100.0,"held":null}
1833dc5c');
INSERT INTO "counter" VALUES(2,'circleci_job_critical_path_seconds_total','["main","lint","run","build"]','{"value":51.5,"born":1789999000.0,"grown_at":1789999820.0,"held":null}
fcec73bc');
INSERT INTO "counter" VALUES(2,'circleci_job_critical_path_seconds_total','["main","lint","wait","build"]','{"value":3.0,"born":1789999000.0,"grown_at":1789999820.0,"held":null}
bd17c6b9');
INSERT INTO "counter" VALUES(2,'circleci_job_critical_path_seconds_total','["main","ship","run","deploy"]','{"value":0.0,"born":1789999800.0,"grown_at":1789999800.0,"held":7.0}
aba24688');
INSERT INTO "counter" VALUES(2,'circleci_job_critical_path_seconds_total','["main","ship","wait","deploy"]','{"value":0.0,"born":1789999800.0,"grown_at":1789999800.0,"held":1.0}
b9bf9193');
INSERT INTO "counter" VALUES(2,'circleci_job_critical_path_seconds_total','["main","test","run","build"]','{"value":4.5,"born":1789999000.0,"grown_at":1789999000.0,"held":null}
f5ed01f9');
INSERT INTO "counter" VALUES(2,'circleci_job_critical_path_seconds_total','["main","test","wait","build"]','{"value":0.5,"born":1789999000.0,"grown_at":1789999000.0,"held":null}
c139ad0d');
INSERT INTO "counter" VALUES(2,'circleci_job_run_duration_seconds','["all tags","lint","build"]','{"value":{"counts":[0,0,0],"sum":0.0,"exemplars":[]},"born":1789999100.0,"grown_at":1789999100.0,"held":null}
a697e69c');
INSERT INTO "counter" VALUES(2,'circleci_job_run_duration_seconds','["main","lint","build"]','{"value":{"counts":[1,0,0],"sum":3.0,"exemplars":[{"workflow_id":"00000000-0000-4000-8000-000000000001","value":3.0,"stopped_at":1790000004.25},null,null]},"born":1789999000.0,"grown_at":1789999000.0,"held":null}
928e2e00');
INSERT INTO "counter" VALUES(2,'circleci_job_run_duration_seconds','["main","ship","deploy"]','{"value":{"counts":[0,0,0],"sum":0.0,"exemplars":[]},"born":1789999800.0,"grown_at":1789999800.0,"held":{"counts":[0,1,0],"sum":7.0,"exemplars":[null,{"workflow_id":"00000000-0000-4000-8000-000000000003","value":7.0,"stopped_at":1790000028.25},null]}}
1311c4bf');
INSERT INTO "counter" VALUES(2,'circleci_job_run_duration_seconds','["main","test","build"]','{"value":{"counts":[1,0,0],"sum":4.5,"exemplars":[{"workflow_id":"00000000-0000-4000-8000-000000000001","value":4.5,"stopped_at":1790000009.25},null,null]},"born":1789999000.0,"grown_at":1789999000.0,"held":null}
15cf9bd5');
INSERT INTO "counter" VALUES(2,'circleci_job_run_wait_seconds','["all tags","lint","build"]','{"value":{"counts":[0,0,0],"sum":0.0,"exemplars":[]},"born":1789999100.0,"grown_at":1789999100.0,"held":null}
c0db90e9');
INSERT INTO "counter" VALUES(2,'circleci_job_run_wait_seconds','["main","lint","build"]','{"value":{"counts":[1,0,0],"sum":1.0,"exemplars":[]},"born":1789999000.0,"grown_at":1789999000.0,"held":null}
28124ec4');
INSERT INTO "counter" VALUES(2,'circleci_job_run_wait_seconds','["main","ship","deploy"]','{"value":{"counts":[0,0,0],"sum":0.0,"exemplars":[]},"born":1789999800.0,"grown_at":1789999800.0,"held":{"counts":[1,0,0],"sum":1.0,"exemplars":[]}}
5a18b6ac');
INSERT INTO "counter" VALUES(2,'circleci_job_run_wait_seconds','["main","test","build"]','{"value":{"counts":[1,0,0],"sum":0.5,"exemplars":[]},"born":1789999000.0,"grown_at":1789999000.0,"held":null}
b04848d4');
INSERT INTO "counter" VALUES(2,'circleci_job_runs_total','["all tags","lint","failed","build"]','{"value":0,"born":1789999100.0,"grown_at":1789999100.0,"held":null}
c163bbdf');
INSERT INTO "counter" VALUES(2,'circleci_job_runs_total','["all tags","lint","success","build"]','{"value":0,"born":1789999100.0,"grown_at":1789999100.0,"held":null}
08a8dc1d');
INSERT INTO "counter" VALUES(2,'circleci_job_runs_total','["main","lint","failed","build"]','{"value":0,"born":1789999000.0,"grown_at":1789999000.0,"held":null}
6cb400ae');
INSERT INTO "counter" VALUES(2,'circleci_job_runs_total','["main","lint","success","build"]','{"value":1,"born":1789999000.0,"grown_at":1789999000.0,"held":null}
2e9f2ce4');
INSERT INTO "counter" VALUES(2,'circleci_job_runs_total','["main","ship","failed","deploy"]','{"value":0,"born":1789999800.0,"grown_at":1789999800.0,"held":null}
afff1d9f');
INSERT INTO "counter" VALUES(2,'circleci_job_runs_total','["main","ship","success","deploy"]','{"value":0,"born":1789999800.0,"grown_at":1789999800.0,"held":1}
2c419ef4');
INSERT INTO "counter" VALUES(2,'circleci_job_runs_total','["main","test","failed","build"]','{"value":0,"born":1789999000.0,"grown_at":1789999000.0,"held":null}
6ba8ec7b');
INSERT INTO "counter" VALUES(2,'circleci_job_runs_total','["main","test","success","build"]','{"value":1,"born":1789999000.0,"grown_at":1789999000.0,"held":null}
d8211653');
INSERT INTO "counter" VALUES(2,'circleci_pipelines_total','["all tags","created","webhook"]','{"value":1,"born":1789999100.0,"grown_at":1789999100.0,"held":null}
94273abd');
INSERT INTO "counter" VALUES(2,'circleci_pipelines_total','["all tags","errored","webhook"]','{"value":0,"born":1789999100.0,"grown_at":1789999100.0,"held":null}
3dd89029');
INSERT INTO "counter" VALUES(2,'circleci_pipelines_total','["main","created","webhook"]','{"value":5,"born":1789999000.0,"grown_at":1789999845.0,"held":null}
166258d6');
INSERT INTO "counter" VALUES(2,'circleci_pipelines_total','["main","errored","webhook"]','{"value":0,"born":1789999000.0,"grown_at":1789999000.0,"held":null}
019a43aa');
CREATE TABLE generation (number INTEGER NOT NULL);
INSERT INTO "generation" VALUES(5);
CREATE TABLE hint (
        server TEXT NOT NULL,
        id TEXT NOT NULL,
        version INTEGER NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (server, id)) WITHOUT ROWID;
CREATE TABLE job (
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        key INTEGER NOT NULL,
        stopped_at INTEGER NOT NULL,
        PRIMARY KEY (project, key)) WITHOUT ROWID;
INSERT INTO "job" VALUES(2,-8432725313896038184,1790000000);
INSERT INTO "job" VALUES(2,-7589344150037305645,1790000000);
INSERT INTO "job" VALUES(2,-4748634217184366966,1790000000);
CREATE TABLE job_sums (
    project INTEGER PRIMARY KEY REFERENCES ledger ON DELETE CASCADE,
    number INTEGER NOT NULL,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    times INTEGER NOT NULL);
INSERT INTO "job_sums" VALUES(2,3,7651759669,-4836056309,10740000000);
CREATE TABLE ledger (
        project INTEGER PRIMARY KEY REFERENCES project ON DELETE CASCADE,
        facts TEXT NOT NULL,
        left_at REAL);
INSERT INTO "ledger" VALUES(1,'{"began":1789740800,"names_at":1790000000.0,"bounds":[60.0,600.0],"workflows":{},"invented":["abandoned"],"by_stop":false}
64c54633',NULL);
INSERT INTO "ledger" VALUES(2,'{"began":1789735800,"names_at":0.0,"bounds":[5.0,60.0],"workflows":{},"invented":[],"by_stop":true}
adcc929d',NULL);
INSERT INTO "ledger" VALUES(3,'{"began":1789740800,"names_at":1790000000.0,"bounds":[60.0,600.0],"workflows":{},"invented":[],"by_stop":false}
fb10a7be',1790000600.0);
CREATE TABLE live (
        project INTEGER PRIMARY KEY REFERENCES ledger ON DELETE CASCADE,
        facts TEXT NOT NULL);
INSERT INTO "live" VALUES(2,'{"began":1789995000.25,"bounds":[5.0,60.0],"wait_bounds":[1.0,30.0],"fresh":true,"listed_at":1790000600.0,"covered_at":null,"newest_at":null,"floor":0.0,"pipelines":{},"cells":{},"held":[],"owed":[]}
ab6f16be');
CREATE TABLE part (
        project INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
        question TEXT NOT NULL,
        checked_at REAL NOT NULL,
        answered_at REAL NOT NULL,
        basis TEXT NOT NULL,
        follow_ups INTEGER NOT NULL,
        answer BLOB NOT NULL,
        previous BLOB NOT NULL,
        UNIQUE (project, question));
CREATE TABLE pipeline (
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        id TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (project, id)) WITHOUT ROWID;
INSERT INTO "pipeline" VALUES(2,'00000000-0000-4000-8000-000000000064','{"id":"00000000-0000-4000-8000-000000000064","created_at":1790000000.25,"state":"created","trigger":"webhook","branch":"main","tag":"","number":null,"listed":false,"counted":true,"looked_at":1789999000.0,"settled_at":1789999000.0,"revisits":1,"runs":[],"told_by":"pipelines","hinted":false}
b22159c8');
INSERT INTO "pipeline" VALUES(2,'00000000-0000-4000-8000-0000000000c8','{"id":"00000000-0000-4000-8000-0000000000c8","created_at":1790000000.25,"state":"created","trigger":"webhook","branch":"main","tag":"v1","number":null,"listed":false,"counted":true,"looked_at":1789999100.0,"settled_at":1789999100.0,"revisits":0,"runs":[],"told_by":"pipelines","hinted":false}
77362b8b');
INSERT INTO "pipeline" VALUES(2,'00000000-0000-4000-8000-00000000012c','{"id":"00000000-0000-4000-8000-00000000012c","created_at":1790000000.25,"state":"created","trigger":"webhook","branch":"main","tag":"","number":null,"listed":false,"counted":true,"looked_at":1789999800.0,"settled_at":1789999800.0,"revisits":1,"runs":[],"told_by":"pipelines","hinted":false}
1504b695');
INSERT INTO "pipeline" VALUES(2,'00000000-0000-4000-8000-000000000190','{"id":"00000000-0000-4000-8000-000000000190","created_at":1790000000.25,"state":"created","trigger":"webhook","branch":"main","tag":"","number":null,"listed":false,"counted":true,"looked_at":1789999840.0,"settled_at":1789999840.0,"revisits":0,"runs":[],"told_by":"pipelines","hinted":false}
837cc095');
INSERT INTO "pipeline" VALUES(2,'00000000-0000-4000-8000-0000000001f4','{"id":"00000000-0000-4000-8000-0000000001f4","created_at":1790000000.25,"state":"created","trigger":"webhook","branch":"main","tag":"","number":null,"listed":false,"counted":true,"looked_at":1789999845.0,"settled_at":null,"revisits":0,"runs":[{"id":"00000000-0000-4000-8000-000000000005","name":"build","status":"running","created_at":1790000030.25,"stopped_at":null,"jobs":[["running",1]],"waiting_since":null,"ended_seen_at":null,"unlisted_at":null,"counted":false,"told_by":"pipelines","unread":false}],"told_by":"pipelines","hinted":false}
62d6193b');
CREATE TABLE project (
        id INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        slug TEXT NOT NULL,
        facts TEXT,
        outcomes TEXT NOT NULL,
        polled_at REAL,
        UNIQUE (server, slug));
INSERT INTO "project" VALUES(1,'https://circleci.com/api/v2','gh/acme/web','{"default_branch":"main","project_name":"web","organization":"acme","provider":"GitHub","asked_at":1790000000.0,"branches":[],"branches_asked_at":0.0,"id":""}
1812deeb','{}
a3a6bf43',NULL);
INSERT INTO "project" VALUES(2,'https://circleci.com/api/v2','gh/acme/app','{"default_branch":"main","project_name":"web","organization":"acme","provider":"GitHub","asked_at":1790000000.0,"branches":[],"branches_asked_at":0.0,"id":""}
1812deeb','{}
a3a6bf43',NULL);
INSERT INTO "project" VALUES(3,'https://circleci.com/api/v2','gh/acme/out',NULL,'{}',NULL);
CREATE TABLE run (
        workflow INTEGER NOT NULL REFERENCES workflow ON DELETE CASCADE,
        key INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        credited INTEGER NOT NULL DEFAULT 1,
        PRIMARY KEY (workflow, key)) WITHOUT ROWID;
INSERT INTO "run" VALUES(1,2,1790000002,1);
INSERT INTO "run" VALUES(1,3,1790000003,1);
INSERT INTO "run" VALUES(1,4,1790000004,1);
INSERT INTO "run" VALUES(1,5,1790000005,1);
INSERT INTO "run" VALUES(1,6,1790000006,1);
INSERT INTO "run" VALUES(1,7,1790000007,1);
INSERT INTO "run" VALUES(1,8,1790000008,0);
INSERT INTO "run" VALUES(4,-5639307224136038064,1790000020,0);
INSERT INTO "run" VALUES(4,-469892680555116846,1790000000,1);
INSERT INTO "run" VALUES(4,1,1790000000,1);
INSERT INTO "run" VALUES(4,2354982019342186486,1790000000,0);
INSERT INTO "run" VALUES(5,-1383244067572879774,1790000020,0);
INSERT INTO "run" VALUES(6,2,1790000000,1);
CREATE TABLE run_sums (
    workflow INTEGER PRIMARY KEY REFERENCES workflow ON DELETE CASCADE,
    number INTEGER NOT NULL,
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    times INTEGER NOT NULL);
INSERT INTO "run_sums" VALUES(1,7,35,0,25060000076);
INSERT INTO "run_sums" VALUES(4,4,5743790105,-874096968,14320000042);
INSERT INTO "run_sums" VALUES(5,1,1789324898,-322061607,3580000040);
INSERT INTO "run_sums" VALUES(6,1,2,0,3580000001);
CREATE TABLE server (url TEXT PRIMARY KEY, up INTEGER NOT NULL);
CREATE TABLE usage_cell (
        organization INTEGER NOT NULL REFERENCES usage_organization ON DELETE CASCADE,
        family TEXT NOT NULL,
        labels TEXT NOT NULL,
        facts TEXT NOT NULL,
        PRIMARY KEY (organization, family, labels)) WITHOUT ROWID;
INSERT INTO "usage_cell" VALUES(1,'circleci_usage_credits_total','["compute","gh/acme"]','{"value":[6500001],"before":[5500000],"export":2}
4662c32d');
INSERT INTO "usage_cell" VALUES(1,'circleci_usage_job_queue_seconds','["gh/acme/web","medium"]','{"value":[2,2,0,7500000],"before":[1,2,0,7250000],"export":2}
794a8308');
INSERT INTO "usage_cell" VALUES(1,'circleci_usage_job_runs_total','["lint","gh/acme/web","medium","failed","build"]','{"value":[1],"before":[0],"export":2}
69ff2978');
INSERT INTO "usage_cell" VALUES(1,'circleci_usage_job_runs_total','["lint","gh/acme/web","medium","success","build"]','{"value":[3],"before":[0],"export":1}
4c53473e');
CREATE TABLE usage_job (
        organization INTEGER NOT NULL REFERENCES usage_organization ON DELETE CASCADE,
        key INTEGER NOT NULL,
        export INTEGER NOT NULL,
        day INTEGER NOT NULL,
        last INTEGER NOT NULL,
        series INTEGER NOT NULL,
        cpu_median REAL,
        cpu_max REAL,
        memory_median REAL,
        memory_max REAL,
        PRIMARY KEY (organization, key)) WITHOUT ROWID;
CREATE TABLE usage_organization (
        id INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        slug TEXT NOT NULL,
        facts TEXT NOT NULL,
        UNIQUE (server, slug));
INSERT INTO "usage_organization" VALUES(1,'https://circleci.com/api/v2','gh/acme','{"id":"0b6a9c1e-53f0-4c57-9a8e-2f1d7c3b9a10","newest":739000,"reached":0,"export":null,"starts":[],"looks":[],"not_before":0.0,"paused_until":0.0,"exports":2,"held":true,"bounds":[1.0,30.0]}
978fa81a');
CREATE TABLE workflow (
        id INTEGER PRIMARY KEY,
        project INTEGER NOT NULL REFERENCES ledger ON DELETE CASCADE,
        name TEXT NOT NULL,
        facts TEXT NOT NULL,
        UNIQUE (project, name));
INSERT INTO "workflow" VALUES(1,1,'build','{"since":1789740800,"floor":1789740808,"baseline":false,"polled_at":1790000600,"swept_at":null,"newest":1790000008,"unlisted_at":null,"branches":{"main":{"counted":{"buckets":[2,1,0],"runs":{"success":2,"failed":1,"error":1,"canceled":0,"unauthorized":0,"abandoned":0},"seconds":121,"credits":20},"seen":1790000006,"held":{"buckets":[0,0,1],"runs":{"abandoned":1},"seconds":700,"credits":5},"fresh":false,"last":{"stopped_at":1790000037.0,"created_at":1790000006,"key":6,"value":30},"verdict":{"stopped_at":1790000037.0,"created_at":1790000006,"key":6,"value":1},"born":0.0,"exemplars":[]},"develop":{"counted":{"buckets":[0,0,0],"runs":{"success":0,"failed":0,"error":0,"canceled":0,"unauthorized":0},"seconds":0,"credits":0},"seen":1790000007,"held":{"buckets":[1,0,0],"runs":{"success":1},"seconds":30,"credits":2.5},"fresh":false,"last":{"stopped_at":1790000038.0,"created_at":1790000007,"key":7,"value":30},"verdict":{"stopped_at":1790000038.0,"created_at":1790000007,"key":7,"value":1},"born":0.0,"exemplars":[]},"other branches":{"counted":{"buckets":[0,0,0],"runs":{"success":0,"failed":0,"error":0,"canceled":0,"unauthorized":0},"seconds":0,"credits":0},"seen":1790000008,"held":{"buckets":[0,0,0],"runs":{"canceled":1},"seconds":0,"credits":5},"fresh":false,"last":{"stopped_at":1790000039.0,"created_at":1790000008,"key":8,"value":30},"verdict":null,"born":0.0,"exemplars":[]}}}
c5b9faea');
INSERT INTO "workflow" VALUES(2,1,'new','{"since":1790000000,"floor":0,"baseline":true,"polled_at":null,"swept_at":null,"newest":null,"unlisted_at":null,"branches":{}}
a2170776');
INSERT INTO "workflow" VALUES(3,1,'gone','{"since":1789740800,"floor":1789740804,"baseline":false,"polled_at":1790000300,"swept_at":null,"newest":1790000004,"unlisted_at":1790000500.0,"branches":{"release/1":{"counted":{"buckets":[1,1,0],"runs":{"success":1,"failed":1,"error":1,"canceled":0,"unauthorized":0},"seconds":91,"credits":15},"seen":1790000004,"held":null,"fresh":false,"last":{"stopped_at":1790000035.0,"created_at":1790000004,"key":4,"value":null},"verdict":{"stopped_at":1790000035.0,"created_at":1790000004,"key":4,"value":0},"born":0.0,"exemplars":[]}}}
1d57b0ed');
INSERT INTO "workflow" VALUES(4,2,'build','{"since":1789735800,"floor":0,"baseline":false,"polled_at":null,"swept_at":null,"newest":null,"unlisted_at":null,"branches":{"main":{"counted":{"buckets":[0,2,0],"runs":{"success":1,"failed":0,"error":0,"canceled":1,"unauthorized":0},"seconds":59.5,"credits":12.5},"seen":1790000030,"held":null,"fresh":false,"last":{"stopped_at":1790000070.75,"created_at":1790000020,"key":-5639307224136038064,"value":50.5},"verdict":{"stopped_at":1790000009.25,"created_at":1790000000,"key":2354982019342186486,"value":1},"born":1789999000.0,"exemplars":[null,{"workflow_id":"00000000-0000-4000-8000-000000000004","value":50.5,"stopped_at":1790000070.75},null]},"all tags":{"counted":{"buckets":[0,0,1],"runs":{"success":0,"failed":1,"error":0,"canceled":0,"unauthorized":0},"seconds":90.0,"credits":0.0},"seen":1790000000,"held":null,"fresh":false,"last":{"stopped_at":1790000090.25,"created_at":1790000000,"key":-469892680555116846,"value":90.0},"verdict":{"stopped_at":1790000090.25,"created_at":1790000000,"key":-469892680555116846,"value":0},"born":1789999100.0,"exemplars":[null,null,{"workflow_id":"00000000-0000-4000-8000-000000000002","value":90.0,"stopped_at":1790000090.25}]}}}
73434011');
INSERT INTO "workflow" VALUES(5,2,'deploy','{"since":1789735800,"floor":0,"baseline":false,"polled_at":null,"swept_at":null,"newest":null,"unlisted_at":null,"branches":{"main":{"counted":{"buckets":[0,0,0],"runs":{"success":0,"failed":0,"error":0,"canceled":0,"unauthorized":0},"seconds":0,"credits":0},"seen":1790000020,"held":{"buckets":[0,1,0],"runs":{"success":1},"seconds":9.0,"credits":0.0},"fresh":false,"last":{"stopped_at":1790000029.25,"created_at":1790000020,"key":-1383244067572879774,"value":9.0},"verdict":{"stopped_at":1790000029.25,"created_at":1790000020,"key":-1383244067572879774,"value":1},"born":1789999800.0,"exemplars":[null,{"workflow_id":"00000000-0000-4000-8000-000000000003","value":9.0,"stopped_at":1790000029.25},null]}}}
846f995c');
INSERT INTO "workflow" VALUES(6,3,'build','{"since":1789740800,"floor":1789740804,"baseline":false,"polled_at":1790000300,"swept_at":null,"newest":1790000004,"unlisted_at":null,"branches":{"main":{"counted":{"buckets":[1,1,0],"runs":{"success":1,"failed":1,"error":1,"canceled":0,"unauthorized":0},"seconds":91,"credits":15},"seen":1790000004,"held":null,"fresh":false,"last":{"stopped_at":1790000035.0,"created_at":1790000004,"key":4,"value":null},"verdict":{"stopped_at":1790000035.0,"created_at":1790000004,"key":4,"value":0},"born":0.0,"exemplars":[]}}}
8bd67475');
COMMIT;
PRAGMA application_id = 0x43494558;
PRAGMA user_version = 4;
