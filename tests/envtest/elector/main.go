// A candidate for a Lease with client-go's own leader election, as every manager in Go has it.
//
// It writes a line whenever it learns who leads: "leader IDENTITY", "leading", "stopped". SIGTERM
// ends it in order and gives the lease back, and so does the end of its standard input.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	token := flag.String("token", "", "for a server without TLS, to which a kubeconfig's is not sent")
	identity := flag.String("identity", "go", "of this candidate")
	name := flag.String("name", "cloud-controller-manager", "of the Lease in kube-system")
	duration := flag.Duration("lease-duration", 15*time.Second, "")
	deadline := flag.Duration("renew-deadline", 10*time.Second, "")
	period := flag.Duration("retry-period", 2*time.Second, "")
	flag.Parse()
	if err := run(*kubeconfig, *token, *identity, *name, *duration, *deadline, *period); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(kubeconfig, token, identity, name string, duration, deadline, period time.Duration) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	// What both API servers of the tests understand; the default is protobuf.
	config.ContentType, config.AcceptContentTypes = "application/json", "application/json"
	if token != "" {
		config.BearerToken = token
	}
	client, err := coordination.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// Its standard input is a pipe of the test: when that ends, however it ends, so does this.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: "kube-system", Name: name},
			Client:     client,
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
		},
		LeaseDuration:   duration,
		RenewDeadline:   deadline,
		RetryPeriod:     period,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { fmt.Println("leading") },
			OnStoppedLeading: func() { fmt.Println("stopped") },
			OnNewLeader:      func(leader string) { fmt.Println("leader", leader) },
		},
	})
	if err != nil {
		return err
	}
	elector.Run(ctx)
	return nil
}
